-- Which regular customers have probably left, or are about to, those who may bring most first?
select customer_id, segment, alive, worth_cents, last_day
from segment s
join customer c using (customer_id)
where c.gone is null and alive < :below and segment in ('regular_heavy', 'regular_light')
order by lifetime_cents desc, customer_id
limit :most
