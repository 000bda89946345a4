-- Which lines has a call list, how do they stand, and in whose hands?
select
    l.message_id, l.rank, l.customer_id, concat_ws(' ', c.first_name, c.last_name) as name, l.status, l.value_cents,
    l.attempts, l.disposition, a.reason, l.callback_at,
    coalesce(case when l.reserved_until > :at or l.attempt_id is not null then l.reserved_by end, l.assigned_to, a.agent)
        as agent
from call_line l
left join customer c on c.customer_id = l.customer_id
left join lateral (
    select t.agent, t.reason from call_attempt t
    where t.customer_id = l.customer_id and t.message_id = l.message_id
    order by t.dialled_at desc, t.attempt_id desc limit 1
) a on true
where l.run_id = :run_id
