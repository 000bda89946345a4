-- How had customers told us by then that they wish to be written to?
create temp view preference as
select w.*
from public.preference w, replayed p
where w.since <= p.planned_at
