-- Who are the shop's customers, and by which short number do we go through their days?
SELECT customer_id, CAST(ROW_NUMBER() OVER () AS INTEGER) AS code
FROM customers
