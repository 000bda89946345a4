-- Which messages has the ledger for this customer since a day, newest first, and what came of each?
select m.run_id, r.campaign, r.on_date, m.channel, m.arm, m.template, m.language, m.state, m.attempt, m.reason,
    m.settled_at, o.outcomes
from message m
join run r using (run_id)
left join lateral (
    select json_agg(json_build_array(o.kind, o.occurred_at, o.source) order by o.occurred_at, o.outcome_id) as outcomes
    from outcome o
    where o.message_id = m.message_id
) o on true
where m.customer_id = :customer_id and (r.on_date >= :since or r.run_id = :run_id)
order by r.on_date desc, r.number desc, m.channel
