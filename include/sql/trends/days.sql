-- On which days did each customer buy or bring back, and for how much? The one pass over the order lines.
-- A day with a positive line is a visit, however many tickets it has; amounts are net of returns.
SELECT p.code, l.day, CAST(SUM(l.cents) AS BIGINT) AS cents, MAX(l.cents) > 0 AS bought
FROM lines AS l
JOIN people AS p ON p.customer_id = l.customer_id
WHERE l.day <= $on
GROUP BY p.code, l.day
