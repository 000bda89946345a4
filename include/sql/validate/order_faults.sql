-- How many order lines break each rule, and how many would be published otherwise than they are staged?
select reason, count(*) as lines,
    count(*) filter (
        quantity is null or regexp_matches(order_id, '[^!-~]') or regexp_matches(customer_id, '[^!-~]')
        or contains(product_code, chr(0)) or contains(product_name, chr(0))
    ) as changed
from order_rows
group by reason
order by reason
