-- How many active customers have been silent for longer than is usual for them? Of all active ones.
SELECT span, starts, ends, '' AS part, '' AS other, SUM(slow) AS value, SUM(customers) AS of
FROM crossed
WHERE span = 'day' AND tier IS NOT NULL
GROUP BY span, starts, ends
