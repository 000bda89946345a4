-- What does each staged order line say, where no text wants tidying?
select order_id, customer_id, ordered_at, product_code, product_name, quantity, amount_cents, offer_code
from read_parquet($staged)
