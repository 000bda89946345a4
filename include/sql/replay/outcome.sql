-- What had been heard of messages by then?
create temp view outcome as
select o.*
from public.outcome o, replayed p
where o.recorded_at <= p.planned_at
