-- Which order lines were delivered, in our columns, and which of them lie outside the days asked for?
SELECT * REPLACE (
    nullif(CAST(order_id AS VARCHAR), '') AS order_id,
    nullif(CAST(customer_id AS VARCHAR), '') AS customer_id,
    TRY_CAST(ordered_at AS TIMESTAMP) AS ordered_at,
    nullif(CAST(product_code AS VARCHAR), '') AS product_code,
    nullif(CAST(product_name AS VARCHAR), '') AS product_name,
    TRY_CAST(quantity AS DOUBLE) AS quantity,
    TRY_CAST(amount_cents AS BIGINT) AS amount_cents
  ),
  CASE WHEN CAST(TRY_CAST(ordered_at AS TIMESTAMP) AS DATE) > $on THEN 'after_date'
       WHEN CAST(TRY_CAST(ordered_at AS TIMESTAMP) AS DATE) < $since THEN 'before_interval' END AS outside
FROM delivered
