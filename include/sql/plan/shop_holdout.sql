-- Who is drawn, once a calendar year and for good, to hear of nobody in it?
insert into shop_holdout (year, customer_id, draw, known_at)
select :year, customer_id, drawn, :at
from (select customer_id, draw(:seed || '/shop/' || cast(:year as text) || '/' || customer_id) as drawn from considered) d
where drawn < :share
on conflict (year, customer_id) do nothing
