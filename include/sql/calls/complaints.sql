-- What has this customer complained of?
select complaint_id, opened_at, due_at as due, owner, about, closed_at
from complaint
where customer_id = :customer_id
order by closed_at is not null, opened_at desc
limit :most
