-- Which consents and objections were known then?
create temp view consent as
select c.*
from public.consent c, replayed p
where c.known_at <= p.planned_at
