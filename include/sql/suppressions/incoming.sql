-- Where do suppressions wait that come from elsewhere? At the side, until they are compared with ours.
create temp table incoming_suppression (
    channel text not null,
    mark bytea not null,
    reason text not null,
    recorded_at timestamptz not null
)
