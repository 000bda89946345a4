-- Whose message would cost more than is left? The best customers are served first; from the first whom the money does
-- not reach, nobody is.
update seat s
set cut = 'over_budget ' || to_char(t.spent / 1000000.0, 'FM999999999990.00')
from (
    select customer_id, sum(cost_micros) over (order by lifetime_cents desc, last_day desc, customer_id) as spent
    from seat
    where host is null
) t
where t.customer_id = s.customer_id and s.host is null and t.spent > :budget_micros
