-- What came of the messages that this worker had claimed (or any, where none is named)? What it never handed over is
-- planned again.
with told as (
    select * from unnest(
        cast(:ids as uuid[]), cast(:states as text[]), cast(:provider_ids as text[]), cast(:reasons as text[]),
        cast(:pages as int[]), cast(:first_pages as int[])
    ) as o (message_id, state, provider_id, reason, pages, first_page)
), moved as (
    update message m
    set state = o.state, provider_id = o.provider_id, reason = o.reason, pages = o.pages, first_page = o.first_page,
        settled_at = case when o.state <> 'planned' then cast(:at as timestamptz) end, lease_until = null
    from told o
    where m.message_id = o.message_id and m.state = 'claimed' and (cast(:worker as text) is null or m.claimed_by = :worker)
    returning m.run_id, m.channel, m.shard, m.state
), tallied as (
    update shard s
    set accepted = s.accepted + t.accepted, refused = s.refused + t.refused, unknown = s.unknown + t.unknown
    from (
        select run_id, channel, shard,
            count(*) filter (where state = 'accepted') as accepted,
            count(*) filter (where state = 'refused') as refused,
            count(*) filter (where state = 'unknown') as unknown
        from moved
        group by run_id, channel, shard
    ) t
    where s.run_id = t.run_id and s.channel = t.channel and s.shard = t.shard
)
select count(*) as messages, count(*) filter (where state in ('planned', 'refused')) as not_left from moved
