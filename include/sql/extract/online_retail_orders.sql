-- Online Retail: what was bought and cancelled, line by line, and which lines are no purchase of a customer?
-- A line at no price (a gift, a correction of the stock) is no purchase; one without a customer belongs to nobody.
SELECT
  InvoiceNo AS order_id,
  CustomerID AS customer_id,
  as_moment(InvoiceDate) AS ordered_at,
  StockCode AS product_code,
  trim(Description) AS product_name,
  CAST(as_number(Quantity) AS DOUBLE) AS quantity,
  CAST(round(as_number(Quantity) * as_number(UnitPrice) * 100) AS BIGINT) AS amount_cents,
  CASE WHEN CustomerID IS NULL THEN 'no_customer'
       WHEN list_contains($not_products, upper(trim(StockCode))) THEN 'not_a_product'
       WHEN as_number(UnitPrice) <= 0 THEN 'no_price' END AS left_out
FROM orders
