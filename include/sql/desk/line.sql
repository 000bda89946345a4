-- Which list has this line, who has it in hand, and who alone may have it?
select
    l.message_id, l.run_id, l.customer_id, l.status, l.assigned_to, l.callback_at, l.not_before,
    case when l.reserved_until > :at or l.attempt_id is not null then l.reserved_by end as reserved_by,
    l.attempt_id is not null as under_way
from call_line l
where l.message_id = :message_id
