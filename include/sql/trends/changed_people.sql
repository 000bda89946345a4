-- Who is a customer in one of two snapshots alone, and has orders of before a day? Any row: the past looks different.
SELECT p.customer_id
FROM people AS p
ANTI JOIN customers_before AS b ON b.customer_id = p.customer_id
SEMI JOIN (SELECT code FROM days WHERE day < $until) AS d ON d.code = p.code
UNION ALL
SELECT l.customer_id
FROM lines AS l
JOIN gone AS g ON g.customer_id = l.customer_id
WHERE l.day < $until
LIMIT 1
