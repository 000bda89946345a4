-- Which order lines are kept out, and why?
select order_id, customer_id, cast(ordered_at as varchar) as ordered_at, product_code, product_name,
    cast(quantity as varchar) as quantity, cast(amount_cents as varchar) as amount_cents, reason
from order_rows
where reason is not null
