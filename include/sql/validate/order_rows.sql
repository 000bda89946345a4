-- What does each staged order line say, and why could it not be used?
with tidied as (
    select tidy(order_id) as order_id, tidy(customer_id) as customer_id, ordered_at,
        replace(product_code, chr(0), '') as product_code, replace(product_name, chr(0), '') as product_name,
        quantity, amount_cents
    from read_parquet($staged)
)
select *,
    case
        when order_id is null then 'order_id_missing'
        when customer_id is null then 'order_customer_missing'
        when ordered_at is null then 'ordered_at_missing'
        when amount_cents is null then 'amount_missing'
    end as reason
from tidied
