-- Whose worker died between claim and answer? Such a message may have left: it is in doubt, and only a campaign that
-- would rather write twice than not at all plans it again, a few times.
with moved as (
    update message
    set state = case when :again and attempt < :most_attempts then 'planned' else 'unknown' end,
        reason = 'lease ran out',
        settled_at = case when :again and attempt < :most_attempts then null else cast(:at as timestamptz) end,
        lease_until = null
    where run_id = :run_id and channel = :channel and state = 'claimed' and lease_until < :at
    returning run_id, channel, shard, state
), tallied as (
    update shard s
    set unknown = s.unknown + t.unknown
    from (
        select run_id, channel, shard, count(*) filter (where state = 'unknown') as unknown
        from moved group by run_id, channel, shard
    ) t
    where s.run_id = t.run_id and s.channel = t.channel and s.shard = t.shard
)
select count(*) filter (where state = 'unknown') as unknown, count(*) filter (where state = 'planned') as planned
from moved
