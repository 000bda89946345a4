-- Whom can this channel not serve in this run, its best customers first?
update seat s
set cut = 'over_capacity ' || t.place || ' of ' || cast(:most as int)
from (
    select s.customer_id, row_number() over (order by c.lifetime_cents desc, c.last_day desc, c.customer_id) as place
    from seat s
    join considered c using (customer_id)
    where s.channel = :channel and s.host is null and s.cut is null
) t
where t.customer_id = s.customer_id and s.channel = :channel and s.host is null and t.place > :most
