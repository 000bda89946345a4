-- Whom can this channel not serve in this run, its best customers first (calls: who may bring most if won back)?
update seat s
set cut = 'over_capacity ' || t.place || ' of ' || cast(:most as int)
from (
    select customer_id, row_number() over (
        order by case when channel = 'call' then won_back_cents end desc nulls last, lifetime_cents desc, last_day desc,
            customer_id
    ) as place
    from seat
    where channel = :channel and host is null and cut is null
) t
where t.customer_id = s.customer_id and s.channel = :channel and s.host is null and t.place > :most
