-- Who had been drawn for the shop's holdout by then? The run draws its own again.
insert into pg_temp.shop_holdout
select h.*
from public.shop_holdout h, replayed p
where h.known_at < p.planned_at
