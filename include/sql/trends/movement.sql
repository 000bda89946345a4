-- How many customers went from which group to which in the period? `new` made their first purchase in it.
SELECT p.span, p.starts, p.ends, f.name AS part, t.name AS other, COALESCE(SUM(c.customers), 0) AS value,
    SUM(COALESCE(SUM(c.customers), 0)) OVER (PARTITION BY p.span, p.ends, f.name) AS of
FROM periods AS p
CROSS JOIN (SELECT name FROM groups UNION ALL SELECT 'new') AS f
CROSS JOIN groups AS t
LEFT JOIN crossed AS c ON c.span = p.span AND c.ends = p.ends AND c.after = t.name AND COALESCE(c.before, 'new') = f.name
WHERE p.span <> 'day' AND p.known
GROUP BY p.span, p.starts, p.ends, f.name, t.name
