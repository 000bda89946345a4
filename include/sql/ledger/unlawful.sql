-- Which of the calls that this worker has just claimed may not be made at all? They are cancelled.
with moved as (
    update message m
    set state = 'cancelled', reason = u.rule, lease_until = null, settled_at = :at
    from unlawful u
    where m.run_id = :run_id and m.channel = 'call' and m.shard = :shard and m.state = 'claimed'
        and m.claimed_by = :worker and m.customer_id = u.customer_id
    returning m.message_id
), tallied as (
    update shard s
    set cancelled = s.cancelled + t.cancelled
    from (select count(*) as cancelled from moved) t
    where s.run_id = :run_id and s.channel = 'call' and s.shard = :shard and t.cancelled > 0
)
select message_id from moved
