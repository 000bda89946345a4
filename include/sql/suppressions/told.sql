-- Where does it wait what a provider's lists say? At the side, until it is compared with ours.
create temp table told_suppression (
    list text not null,
    mark bytea not null,
    reason text not null,
    created timestamptz not null
)
