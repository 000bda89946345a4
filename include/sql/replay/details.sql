-- Whose details does the base hold otherwise than the snapshot did, of those who are written to?
select count(*) as customers, (array_agg(p.customer_id order by p.customer_id))[1:10] as ids
from planned_message p
join customer s using (customer_id)
left join public.customer c using (customer_id)
where (
    s.civility, s.first_name, s.last_name, s.language, s.email, s.phone, s.timezone, s.street, s.address_extra,
    s.postcode, s.city, s.country
) is distinct from (
    c.civility, c.first_name, c.last_name, c.language, c.email, c.phone, c.timezone, c.street, c.address_extra,
    c.postcode, c.city, c.country
)
