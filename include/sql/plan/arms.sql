-- Which arm of the test is each customer in? A salted draw, the same at every retry and apart from the holdout's.
update seat s
set arm = a.arm
from arm a, (select customer_id, draw(:seed || ':' || :campaign || '/arm/' || customer_id) as drawn from seat) d
where d.customer_id = s.customer_id and s.host is null and d.drawn >= a.above and d.drawn < a.below
