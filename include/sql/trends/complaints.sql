-- How many complaints came in the period, for how many customers who bought in it? Told from the quarter on in which the
-- first one was recorded: before, nobody kept them.
SELECT c.span, c.starts, c.ends, '' AS part, '' AS other,
    COALESCE((SELECT SUM(k.complaints) FROM complaints AS k WHERE k.day > c.starts AND k.day <= c.ends), 0) AS value,
    SUM(c.buyers) AS of
FROM crossed AS c
WHERE c.span <> 'day' AND c.starts >= (SELECT DATE_TRUNC('quarter', MIN(day)) - INTERVAL 1 DAY FROM complaints)
GROUP BY c.span, c.starts, c.ends
