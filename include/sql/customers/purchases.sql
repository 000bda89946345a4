-- What has this customer bought, line by line?
select order_id, ordered_at, product_code, product_name, quantity, amount_cents
from read_parquet($orders)
where customer_id = $customer_id
order by ordered_at, order_id, product_code
