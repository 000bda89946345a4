-- How many active customers are in each tier? Of all active ones.
SELECT p.span, p.starts, p.ends, t.name AS part, '' AS other,
    COALESCE(SUM(c.customers), 0) AS value, SUM(SUM(c.customers)) OVER (PARTITION BY p.ends) AS of
FROM periods AS p
CROSS JOIN tiers AS t
LEFT JOIN crossed AS c ON c.span = p.span AND c.ends = p.ends AND c.tier = t.name
WHERE p.span = 'day'
GROUP BY p.span, p.starts, p.ends, t.name
