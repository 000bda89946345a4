-- Which runs had been planned by then?
create temp view run as
select r.*
from public.run r, replayed p
where r.number < p.number
