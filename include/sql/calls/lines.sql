-- Which lines does this list have, by rank?
select l.message_id, l.run_id, l.customer_id, c.first_name, c.last_name, l.rank, l.status, l.reason as closed_by,
    case when l.reserved_until > :at then l.reserved_by end as reserved_by, l.assigned_to, l.not_before, l.callback_at,
    l.owner, l.attempts, l.disposition, l.value_cents, count(*) over () as total,
    (
        select a.reason from call_attempt a where a.message_id = l.message_id and a.reason is not null
        order by a.dialled_at desc limit 1
    ) as reason
from call_line l
left join customer c on c.customer_id = l.customer_id
    and not exists (select from hold h where h.customer_id = l.customer_id and h.reason = 'erased')
where l.run_id = :run_id and (cast(:status as text) is null or l.status = :status)
    and (cast(:agent as text) is null or :agent in (l.assigned_to, l.reserved_by, l.owner))
order by l.rank
offset :after limit :most
