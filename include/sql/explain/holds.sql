-- What keeps this customer out of every campaign until somebody closes it?
select reason, opened_at, opened_by
from hold
where customer_id = :customer_id and closed_at is null
order by opened_at, reason
