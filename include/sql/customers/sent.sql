-- What was ever written to or rung up for this customer, and what came of it?
-- Messages of campaigns, and each time that the call desk dialled.
select m.message_id::text as what, coalesce(m.settled_at, r.planned_at) as at, m.channel, m.run_id,
    r.settings -> 'title' as title, m.template, m.state, m.reason,
    coalesce(
        (select json_agg(json_build_array(o.kind, o.occurred_at, o.reason) order by o.occurred_at, o.outcome_id)
        from outcome o where o.message_id = m.message_id),
        '[]'
    )::text as outcomes
from message m
join run r using (run_id)
where m.customer_id = :customer_id
union all
select 'call ' || a.attempt_id, a.dialled_at, 'call', a.run_id, r.settings -> 'title', null, null, null,
    json_build_array(
        json_build_array('call/' || coalesce(a.disposition, ''), coalesce(a.ended_at, a.dialled_at), a.reason)
    )::text
from call_attempt a
join run r using (run_id)
where a.customer_id = :customer_id
