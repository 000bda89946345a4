-- What was bought since a day, order by order, what came back of it since, and which codes were given with it?
-- What came back belongs to the order that it stands in, where that sold the product, else to the customer's last one
-- before it that did, and is never more than was paid for it. Any other negative line of an order is a discount.
create temp table purchases as
with lines as (
    select customer_id, order_id, ordered_at, coalesce(product_code, '') as product, amount_cents as cents,
        nullif(upper(regexp_replace(offer_code, '[^0-9A-Za-z]', '', 'g')), '') as code
    from orders
    where ordered_at >= $since
), sold as (
    select customer_id, order_id, product, min(ordered_at) as ordered_at, sum(cents) as cents
    from lines
    where cents > 0
    group by all
), came_back as (
    select customer_id, order_id, product, max(ordered_at) as ordered_at, -sum(cents) as cents
    from lines
    where cents < 0
    group by all
), there as ( -- in the order itself
    select b.customer_id, b.order_id, b.product, b.cents
    from came_back b
    semi join sold s using (customer_id, order_id, product)
), elsewhere as (
    select b.*
    from came_back b
    anti join sold s using (customer_id, order_id, product)
), last_sold as ( -- of two at the same moment one, always the same
    select customer_id, product, ordered_at, max(order_id) as order_id
    from sold
    group by all
), found as (
    select e.customer_id, e.order_id as said_in, e.product, e.cents, s.order_id
    from elsewhere e
    asof left join last_sold s
        on s.customer_id = e.customer_id and s.product = e.product and s.ordered_at <= e.ordered_at
), returned as (
    select customer_id, order_id, product, sum(cents) as cents
    from (
        select customer_id, order_id, product, cents from there
        union all
        select customer_id, order_id, product, cents from found where order_id is not null
    )
    group by all
), discount as (
    select customer_id, said_in as order_id, sum(cents) as cents
    from found
    where order_id is null
    group by all
), orders_sold as (
    select s.customer_id, s.order_id, min(s.ordered_at) as ordered_at, sum(s.cents) as sold,
        sum(least(coalesce(r.cents, 0), s.cents)) as returned
    from sold s
    left join returned r using (customer_id, order_id, product)
    group by all
), given as (
    select customer_id, order_id, list(distinct code order by code) as codes
    from lines
    where code is not null
    group by all
)
select o.customer_id, o.order_id, o.ordered_at, cast(o.ordered_at as date) as day,
    cast(o.sold - coalesce(d.cents, 0) as bigint) as sold_cents,
    cast(least(o.returned, o.sold - coalesce(d.cents, 0)) as bigint) as returned_cents,
    g.codes
from orders_sold o
left join discount d using (customer_id, order_id)
left join given g using (customer_id, order_id)
where o.sold > coalesce(d.cents, 0)
