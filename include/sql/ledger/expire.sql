-- Whose worker died between claim and answer? Such a message may have left: it is in doubt, and only a campaign that
-- would rather write twice than not at all plans it again, a few times; not if an event has spoken of it.
with moved as (
    update message m
    set (state, settled_at) = (
            select case when t.again then 'planned' else 'unknown' end,
                case when not t.again then cast(:at as timestamptz) end
            from (
                select :again and m.attempt < :most_attempts
                    and not exists (select from outcome o where o.message_id = m.message_id) as again
            ) t
        ),
        reason = 'lease ran out',
        lease_until = null
    where run_id = :run_id and channel = :channel and state = 'claimed' and lease_until < :at
    returning message_id, run_id, channel, shard, state
), tallied as (
    update shard s
    set unknown = s.unknown + t.unknown
    from (
        select run_id, channel, shard, count(*) filter (where state = 'unknown') as unknown
        from moved group by run_id, channel, shard
    ) t
    where s.run_id = t.run_id and s.channel = t.channel and s.shard = t.shard
)
select message_id, state from moved
