-- What does each staged order line say, once tidied?
select tidy(order_id) as order_id, tidy(customer_id) as customer_id, ordered_at,
    replace(product_code, chr(0), '') as product_code, replace(product_name, chr(0), '') as product_name,
    quantity, amount_cents, replace(offer_code, chr(0), '') as offer_code
from read_parquet($staged)
