-- How many of the customers whom the plan takes did that earlier run take too, and how many not?
select count(*) filter (where p.customer_id is not null and m.customer_id is not null) as stayed,
    count(*) filter (where m.customer_id is null) as joined,
    count(*) filter (where p.customer_id is null) as gone
from planned_message p
full join (select customer_id from message where run_id = :earlier) m using (customer_id)
