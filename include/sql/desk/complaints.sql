-- Which complaints were made, who answers them, and until when was an answer promised?
select
    p.complaint_id, p.customer_id, concat_ws(' ', c.first_name, c.last_name) as name, p.owner, p.about,
    p.opened_at, p.due_at, p.closed_at,
    case when p.closed_at is not null then 'closed' when p.due_at < :at then 'late' else 'open' end as state
from complaint p
left join customer c on c.customer_id = p.customer_id
