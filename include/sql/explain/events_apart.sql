-- Which events that belong to no message of ours are of this customer's address?
select a.*
from customer c
join event_apart a on a.mark = c.email_mark
where c.customer_id = :customer_id
order by a.recorded_at, a.event
