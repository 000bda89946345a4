-- What did everyone of a run buy in its window?
select p.customer_id, p.treated, p.scope, p.segment, p.channel, p.arm, coalesce(b.orders, 0) as orders,
    coalesce(b.sold_cents, 0) as sold_cents, coalesce(b.returned_cents, 0) as returned_cents, b.first_on
from people p
left join (
    select customer_id, cast(count(*) as integer) as orders, cast(sum(sold_cents) as bigint) as sold_cents,
        cast(sum(returned_cents) as bigint) as returned_cents, min(day) as first_on
    from purchases
    where day between $on and $until
    group by customer_id
) b using (customer_id)
order by p.customer_id
