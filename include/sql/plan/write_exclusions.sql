-- Keep whom the run did not take.
insert into exclusion (run_id, customer_id, segment, rule, value)
select :run_id, customer_id, segment, rule, value
from refusal
