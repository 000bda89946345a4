-- Which order lines are kept out, and why?
select order_id, customer_id, cast(ordered_at as varchar) as ordered_at, product_code, product_name,
    cast(quantity as varchar) as quantity, cast(amount_cents as varchar) as amount_cents,
    case
        when order_id is null then 'order_id_missing'
        when customer_id is null then 'order_customer_missing'
        when ordered_at is null then 'ordered_at_missing'
        when amount_cents is null then 'amount_missing'
    end as reason
from order_lines
where order_id is null or customer_id is null or ordered_at is null or amount_cents is null
