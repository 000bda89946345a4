-- Of the customers who were active when the period began, how many had lapsed when it ended? New ones are left out.
SELECT c.span, c.starts, c.ends, '' AS part, '' AS other,
    COALESCE(SUM(CASE WHEN c.after = 'lapsed' THEN c.customers END), 0) AS value, SUM(c.customers) AS of
FROM crossed AS c
JOIN periods AS p ON p.span = c.span AND p.ends = c.ends
WHERE p.span <> 'day' AND p.known AND c.before <> 'lapsed'
GROUP BY c.span, c.starts, c.ends
