-- Whom would the run not take, as the base would keep it?
create temp view exclusion as
select r.run_id, f.customer_id, f.segment, f.rule, f.value
from refusal f
cross join rehearsed r
