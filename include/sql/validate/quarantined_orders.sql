-- Which order lines are kept out, and why?
select tidy(order_id) as order_id, tidy(customer_id) as customer_id, cast(ordered_at as varchar) as ordered_at,
    replace(product_code, chr(0), '') as product_code, replace(product_name, chr(0), '') as product_name,
    cast(quantity as varchar) as quantity, cast(amount_cents as varchar) as amount_cents, reason
from order_rows
where reason is not null
