-- What did each of the five groups spend in the window? Of what all of them spent.
SELECT p.span, p.starts, p.ends, g.name AS part, '' AS other,
    COALESCE(SUM(c.amount_cents), 0) AS value, SUM(SUM(c.amount_cents)) OVER (PARTITION BY p.ends) AS of
FROM periods AS p
CROSS JOIN groups AS g
LEFT JOIN crossed AS c ON c.span = p.span AND c.ends = p.ends AND c.after = g.name
WHERE p.span = 'day'
GROUP BY p.span, p.starts, p.ends, g.name
