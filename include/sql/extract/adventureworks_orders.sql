-- AdventureWorks: what was bought, line by line, at the price of the list? Returns have no customer and are left out.
SELECT
  sales.OrderNumber AS order_id,
  CAST(sales.OrderLineItem AS VARCHAR) AS line_number,
  sales.CustomerKey AS customer_id,
  CAST(sales.OrderDate AS TIMESTAMP) AS ordered_at,
  products.ProductSKU AS product_code,
  products.ProductName AS product_name,
  CAST(sales.OrderQuantity AS DOUBLE) AS quantity,
  CAST(round(sales.OrderQuantity * as_number(products.ProductPrice) * 100) AS BIGINT) AS amount_cents,
  NULL AS left_out
FROM sales
LEFT JOIN products ON products.ProductKey = sales.ProductKey
UNION ALL
SELECT
  NULL,
  'return ' || row_number() OVER (ORDER BY returns.ReturnDate, returns.ProductKey, returns.TerritoryKey),
  NULL,
  as_moment(returns.ReturnDate),
  products.ProductSKU,
  products.ProductName,
  -CAST(returns.ReturnQuantity AS DOUBLE),
  CAST(round(-CAST(returns.ReturnQuantity AS INTEGER) * as_number(products.ProductPrice) * 100) AS BIGINT),
  'no_customer'
FROM returns
LEFT JOIN products ON products.ProductKey = returns.ProductKey
