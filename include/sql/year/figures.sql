-- What did each side of the shop's holdout buy in the period, whoever bought nothing included?
select p.held, cast(count(*) as integer) as customers, cast(count(b.customer_id) as integer) as buyers,
    cast(coalesce(sum(b.orders), 0) as integer) as orders,
    cast(coalesce(sum(b.orders * b.orders), 0) as bigint) as orders_squares,
    cast(coalesce(sum(b.sold_cents), 0) as bigint) as sold_cents,
    cast(coalesce(sum(b.returned_cents), 0) as bigint) as returned_cents,
    cast(coalesce(sum(cast(b.sold_cents - b.returned_cents as hugeint) * (b.sold_cents - b.returned_cents)), 0) as varchar)
        as squares,
    cast(sum(p.cost_micros) as bigint) as spent_micros
from people p
left join (
    select customer_id, count(*) as orders, cast(sum(sold_cents) as bigint) as sold_cents,
        cast(sum(returned_cents) as bigint) as returned_cents
    from purchases
    where day between $starts and $until
    group by customer_id
) b using (customer_id)
group by p.held
order by p.held
