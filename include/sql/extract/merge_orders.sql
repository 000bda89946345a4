-- Which order lines belong to the months that a delivery touches? Its own, and of earlier days what the lake held.
SELECT strftime(ordered_at, '%Y-%m') AS month, *
FROM (
  SELECT order_id, customer_id, ordered_at, product_code, product_name, quantity, amount_cents, offer_code FROM delivered
  UNION ALL
  SELECT order_id, customer_id, ordered_at, product_code, product_name, quantity, amount_cents, offer_code FROM held
  WHERE CAST(ordered_at AS DATE) < $since
)
