-- What do we know of each customer whom a run takes: when they last bought, how often, what they like best?
-- Names of products that a till wrote in capitals are shown as words.
with bought as (
    select o.customer_id, o.product_name, sum(o.amount_cents) as spent
    from orders o
    semi join chosen c on c.customer_id = o.customer_id
    where o.product_name is not null
    group by o.customer_id, o.product_name
    having sum(o.amount_cents) > 0
), ranked as (
    select *, row_number() over (partition by customer_id order by spent desc, product_name) as place
    from bought
), liked as (
    select customer_id,
        list(
            case when product_name = upper(product_name)
                then upper(product_name[1]) || lower(product_name[2:]) else product_name end
            order by place
        ) as favourites
    from ranked
    where place <= 3
    group by customer_id
)
select s.customer_id, s.last_day, s.lifetime_days, s.lifetime_cents, s.purchase_days, l.favourites
from segments s
semi join chosen c on c.customer_id = s.customer_id
left join liked l on l.customer_id = s.customer_id
order by s.customer_id
