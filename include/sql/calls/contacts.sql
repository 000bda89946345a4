-- What did this customer get from us lately, by whatever channel, and what was heard of it?
select r.campaign, r.on_date as "on", m.channel, m.state, o.kind as outcome, o.occurred_at as outcome_at
from message m
join run r using (run_id)
left join lateral (
    select kind, occurred_at from outcome where message_id = m.message_id order by occurred_at desc, outcome_id desc limit 1
) o on true
where m.customer_id = :customer_id and m.message_id <> :message_id
    and m.state in ('claimed', 'accepted', 'unknown')
order by r.on_date desc, r.number desc, m.channel
limit :most
