-- What is now known of messages that were in doubt? An answer that came late, an event, or a person's word.
with told as (
    select * from unnest(
        cast(:ids as uuid[]), cast(:states as text[]), cast(:reasons as text[])
    ) as o (message_id, state, reason)
), moved as (
    update message m
    set state = o.state, reason = o.reason, settled_at = case when o.state <> 'planned' then cast(:at as timestamptz) end,
        lease_until = null
    from told o
    where m.message_id = o.message_id and m.state = 'unknown' and o.state <> 'unknown'
        and (cast(:worker as text) is null or m.claimed_by = :worker)
    returning m.message_id, m.run_id, m.channel, m.shard, m.state
), tallied as (
    update shard s
    set accepted = s.accepted + t.accepted, refused = s.refused + t.refused, unknown = s.unknown - t.messages,
        cancelled = s.cancelled + t.cancelled
    from (
        select run_id, channel, shard, count(*) as messages,
            count(*) filter (where state = 'accepted') as accepted,
            count(*) filter (where state = 'refused') as refused,
            count(*) filter (where state = 'cancelled') as cancelled
        from moved
        group by run_id, channel, shard
    ) t
    where s.run_id = t.run_id and s.channel = t.channel and s.shard = t.shard
)
select message_id, state from moved
