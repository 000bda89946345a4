-- How many order lines break each rule, and how many have no quantity?
select
    case
        when order_id is null then 'order_id_missing'
        when customer_id is null then 'order_customer_missing'
        when ordered_at is null then 'ordered_at_missing'
        when amount_cents is null then 'amount_missing'
    end as reason,
    count(*) as lines,
    count(*) filter (quantity is null) as without_quantity
from order_lines
group by reason
order by reason
