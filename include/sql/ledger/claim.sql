-- Which messages of a shard may leave now? Claims them for one worker; consent is asked again, and who has said no
-- since the plan is cancelled. A committed claim is the licence to send: no row, no message. What this worker has
-- put back itself it doesn't take again.
with due as (
    select m.message_id, m.customer_id, m.channel
    from message m
    where m.run_id = :run_id and m.channel = :channel and m.shard = :shard
        and (m.state = 'planned' or (:again and m.state = 'claimed'))
        and m.claimed_by is distinct from :worker
    order by m.position
    limit :most
    for update of m skip locked
), asked as (
    select d.message_id,
        case
            when c.customer_id is null or c.gone is not null then 'gone'
            when c.deceased_on is not null then 'deceased'
            else consent_rule(d.channel, l.status, l.recorded_on, l.valid_until, :on, :call_days)
        end as rule
    from due d
    left join customer c using (customer_id)
    left join lateral (
        select k.status, k.valid_until, (k.recorded_at at time zone :zone)::date as recorded_on
        from consent k
        where k.customer_id = d.customer_id and k.channel = d.channel and k.purpose = 'marketing'
        order by k.recorded_at desc, k.status desc
        limit 1
    ) l on true
)
update message m
set state = case when a.rule is null then 'claimed' else 'cancelled' end,
    reason = a.rule,
    attempt = m.attempt + 1,
    claimed_by = :worker,
    lease_until = case when a.rule is null then :lease_until end,
    settled_at = case when a.rule is not null then :at end
from asked a
where a.message_id = m.message_id
returning m.message_id, m.state
