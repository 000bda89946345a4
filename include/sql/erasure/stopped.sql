-- Which messages of those who are erased do not leave any more? What a dead worker held may have left: it is in doubt.
with moved as (
    update message m
    set state = case m.state when 'planned' then 'cancelled' else 'unknown' end,
        reason = 'erased', lease_until = null, settled_at = :at
    from erasure e
    where e.finished_at is null and m.customer_id = e.customer_id
        and (m.state = 'planned' or (m.state = 'claimed' and m.lease_until < :at))
    returning m.run_id, m.channel, m.shard, m.state
), tallied as (
    update shard s
    set cancelled = s.cancelled + t.cancelled, unknown = s.unknown + t.unknown
    from (
        select run_id, channel, shard, count(*) filter (where state = 'cancelled') as cancelled,
            count(*) filter (where state = 'unknown') as unknown
        from moved group by run_id, channel, shard
    ) t
    where s.run_id = t.run_id and s.channel = t.channel and s.shard = t.shard
)
select count(*) from moved
