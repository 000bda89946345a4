-- What of a cancelled run has not left yet? It never will.
with moved as (
    update message
    set state = 'cancelled', reason = 'run_cancelled', settled_at = :at
    where run_id = :run_id and state = 'planned'
    returning run_id, channel, shard
), tallied as (
    update shard s
    set cancelled = s.cancelled + t.cancelled
    from (select run_id, channel, shard, count(*) as cancelled from moved group by run_id, channel, shard) t
    where s.run_id = t.run_id and s.channel = t.channel and s.shard = t.shard
)
select count(*) from moved
