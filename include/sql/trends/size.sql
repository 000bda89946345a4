-- How many customers are in each of the five groups? Of all who are in one.
SELECT p.span, p.starts, p.ends, g.name AS part, '' AS other,
    COALESCE(SUM(c.customers), 0) AS value, SUM(SUM(c.customers)) OVER (PARTITION BY p.ends) AS of
FROM periods AS p
CROSS JOIN groups AS g
LEFT JOIN crossed AS c ON c.span = p.span AND c.ends = p.ends AND c.after = g.name
WHERE p.span = 'day'
GROUP BY p.span, p.starts, p.ends, g.name
