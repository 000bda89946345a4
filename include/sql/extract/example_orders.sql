-- Example: what was bought and returned in the days asked for? `ordered_at` is shop time; a moment with a zone wants
-- AT TIME ZONE and the timezone parameter. An index on it makes the nightly run short.
SELECT
  CAST(o.id AS VARCHAR(40)) AS order_id,
  l.line_number,
  CAST(o.customer_id AS VARCHAR(40)) AS customer_id,
  o.ordered_at,
  l.product_code,
  l.product_name,
  l.quantity,
  CAST(round(l.quantity * l.unit_price * 100) AS BIGINT) AS amount_cents,
  o.offer_code,
  CASE WHEN o.customer_id IS NULL THEN 'no_customer'
       WHEN o.state <> 'paid' AND o.channel = :web_shop THEN 'never_paid'
       WHEN l.product_code IN :not_products THEN 'not_a_product' END AS left_out
FROM shop_order o
JOIN shop_order_line l ON l.order_id = o.id
WHERE o.ordered_at >= :since AND o.ordered_at < :until
ORDER BY o.ordered_at, o.id, l.line_number
