-- How many order lines have texts that want tidying?
select count(*) as untidy
from read_parquet($staged)
where regexp_matches(order_id, '^$|[^!-~]') or regexp_matches(customer_id, '^$|[^!-~]')
    or contains(product_code, chr(0)) or contains(product_name, chr(0)) or contains(offer_code, chr(0))
