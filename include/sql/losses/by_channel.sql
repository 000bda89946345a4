-- What did each channel do for the lapsed ones: customers asked, come back, their orders, what they paid, what it cost?
select case when grouping(channel) = 1 then 'all' else channel end as channel, count(distinct customer_id)::int as customers,
    count(distinct customer_id) filter (where orders > 0)::int as came_back, coalesce(sum(orders), 0)::int as orders,
    coalesce(sum(cents), 0)::bigint as cents, coalesce(sum(cost_micros), 0)::bigint as cost_micros
from asked
group by rollup (channel)
order by grouping(channel), channel
