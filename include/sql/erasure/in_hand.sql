-- How many of those who are erased has a worker just now, and until when at most?
select count(distinct m.customer_id) as customers, max(m.lease_until) as until
from message m
join erasure e using (customer_id)
where e.finished_at is null and m.state = 'claimed'
