-- Whom had earlier runs held out?
create temp view holdout as
select h.*
from public.holdout h
join run r using (run_id)
