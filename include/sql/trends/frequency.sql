-- How many visits did customers make in the period, and how many customers were that?
SELECT span, starts, ends, '' AS part, '' AS other, SUM(visits) AS value, SUM(buyers) AS of
FROM crossed
WHERE span <> 'day'
GROUP BY span, starts, ends
