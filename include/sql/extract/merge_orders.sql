-- Which order lines belong to the months that a delivery touches? Its own, and of earlier days what the lake held.
-- Sorted by every column: the same lines give the same file, in whatever order they came.
SELECT strftime(ordered_at, '%Y-%m') AS month, *
FROM (
  SELECT order_id, customer_id, ordered_at, product_code, product_name, quantity, amount_cents FROM delivered
  UNION ALL
  SELECT order_id, customer_id, ordered_at, product_code, product_name, quantity, amount_cents FROM held
  WHERE CAST(ordered_at AS DATE) < $since
)
ORDER BY month, customer_id, ordered_at, order_id, product_code, product_name, quantity, amount_cents
