-- How did this customer tell us last that they wish to be written to?
select language, fewer, since
from preference
where customer_id = :customer_id
order by preference_id desc
limit 1
