-- Which calls of lists that were handed over will never be made, and why? Nothing has reached their customers: they are
-- cancelled, and count for no cap.
with moved as (
    update message m
    set state = 'cancelled', reason = t.reason, settled_at = :at
    from unnest(cast(:ids as uuid[]), cast(:reasons as text[])) as t (message_id, reason)
    where m.message_id = t.message_id and m.state = 'accepted'
    returning m.run_id, m.channel, m.shard
), tallied as (
    update shard s
    set accepted = s.accepted - t.messages, cancelled = s.cancelled + t.messages
    from (select run_id, channel, shard, count(*) as messages from moved group by run_id, channel, shard) t
    where s.run_id = t.run_id and s.channel = t.channel and s.shard = t.shard
)
select count(*) from moved
