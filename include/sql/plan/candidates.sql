-- For each customer and each way of the campaign: which rule, the first that applies, keeps this way closed?
create temp table candidate on commit drop as
with latest as (
    select distinct on (customer_id, channel)
        customer_id, channel, status, valid_until, (recorded_at at time zone :zone)::date as recorded_on
    from consent
    where purpose = 'marketing' and (recorded_at at time zone :zone)::date <= :on
    order by customer_id, channel, recorded_at desc, status desc -- in the same second an objection wins over a grant
), recent as (
    select distinct m.customer_id, m.channel
    from message m
    join run r using (run_id)
    join pause p using (channel)
    where m.state not in ('cancelled', 'refused') and m.run_id <> :run_id and abs(r.on_date - :on) < p.days
), resting as (
    select distinct m.customer_id
    from message m
    join run r using (run_id)
    where m.state not in ('cancelled', 'refused') and m.run_id <> :run_id
        and r.campaign = :campaign and abs(r.on_date - :on) < :rest_days
)
select a.customer_id, w.preference, w.channel, w.template,
    case
        when a.birth_date > :adult_since then 'minor'
        when a.deceased_on is not null then 'deceased'
        when consent_rule(w.channel, l.status, l.recorded_on, l.valid_until, :on, :call_days) is not null
            then consent_rule(w.channel, l.status, l.recorded_on, l.valid_until, :on, :call_days)
        when b.barrier is not null then 'unreachable'
        when r.customer_id is not null or t.customer_id is not null then 'recently_contacted'
    end as rule,
    case when b.barrier is not null then w.channel || ': ' || b.barrier else w.channel end as value
from audience a
join way w using (segment)
cross join lateral (
    select case w.channel when 'letter' then a.letter_barrier when 'email' then a.email_barrier else a.call_barrier end
) as b (barrier)
left join latest l on l.customer_id = a.customer_id and l.channel = w.channel
left join recent r on r.customer_id = a.customer_id and r.channel = w.channel
left join resting t on t.customer_id = a.customer_id
