-- Who are these customers, in the order in which they were found?
select f.place, f.customer_id, c.first_name, c.last_name, c.postcode, c.city, s.segment, s.last_day,
    s.lifetime_cents
from unnest(cast(:ids as text[])) with ordinality as f (customer_id, place)
join customer c using (customer_id)
left join segment s using (customer_id)
