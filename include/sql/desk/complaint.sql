-- What is this complaint about, who answers it, and what was answered?
select
    p.complaint_id, p.customer_id, p.message_id, concat_ws(' ', c.first_name, c.last_name) as name, p.owner, p.about,
    p.opened_at, p.opened_by, p.due_at, p.closed_at, p.closed_by, p.answer
from complaint p
left join customer c on c.customer_id = p.customer_id
where p.complaint_id = :complaint_id
