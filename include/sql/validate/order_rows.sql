-- What does each staged order line say, and why could it not be used?
select *,
    case
        when order_id is null or (tidy(order_id) is null) then 'order_id_missing'
        when customer_id is null or (tidy(customer_id) is null) then 'order_customer_missing'
        when ordered_at is null then 'ordered_at_missing'
        when amount_cents is null then 'amount_missing'
    end as reason
from read_parquet($staged)
