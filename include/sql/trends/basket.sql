-- What did customers spend in the period, net of returns, and in how many visits?
SELECT span, starts, ends, '' AS part, '' AS other, SUM(cents) AS value, SUM(visits) AS of
FROM crossed
WHERE span <> 'day'
GROUP BY span, starts, ends
