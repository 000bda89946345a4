-- Which order lines are published? A line without a quantity is one piece sold, or one that came back.
select tidy(order_id) as order_id, tidy(customer_id) as customer_id, ordered_at,
    replace(product_code, chr(0), '') as product_code, replace(product_name, chr(0), '') as product_name,
    coalesce(quantity, case when amount_cents < 0 then -1 else 1 end) as quantity, amount_cents
from order_rows
where reason is null
