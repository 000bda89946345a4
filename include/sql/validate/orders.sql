-- Which order lines are published? A line without a quantity is one piece sold, or one that came back.
select order_id, customer_id, ordered_at, product_code, product_name,
    coalesce(quantity, case when amount_cents < 0 then -1 else 1 end) as quantity, amount_cents, offer_code
from order_lines
where order_id is not null and customer_id is not null and ordered_at is not null and amount_cents is not null
