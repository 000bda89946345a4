-- Which messages in doubt does a campaign try again that would rather write twice than not at all? Those of which no
-- event has spoken, a few times each.
with moved as (
    update message m
    set state = 'planned', reason = 'in doubt', settled_at = null
    where m.run_id = :run_id and m.channel = :channel and m.shard = :shard
        and m.state = 'unknown' and m.attempt < :most_attempts
        and not exists (select from outcome o where o.message_id = m.message_id)
    returning m.message_id
), tallied as (
    update shard s
    set unknown = s.unknown - (select count(*) from moved)
    where s.run_id = :run_id and s.channel = :channel and s.shard = :shard
)
select count(*) from moved
