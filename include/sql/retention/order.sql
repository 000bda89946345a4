-- Whose erasure does retention order?
insert into erasure (customer_id, rule, reason, ordered_by, ordered_at)
select customer_id, rule, 'retention', :by, :at
from due
where verdict = 'due'
on conflict (customer_id) do nothing
