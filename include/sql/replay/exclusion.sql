-- Whom had earlier runs left out?
create temp view exclusion as
select e.*
from public.exclusion e
join run r using (run_id)
