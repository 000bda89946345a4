-- What were the order lines of one month? Sorted by every column: the same lines give the same file, however they came.
SELECT order_id, customer_id, ordered_at, product_code, product_name, quantity, amount_cents, offer_code
FROM merged
WHERE month = $month
ORDER BY customer_id, ordered_at, order_id, product_code, product_name, quantity, amount_cents, offer_code
