-- How many customers are in each group, and what did they spend in the window?
SELECT segment, COUNT(*) AS customers, CAST(SUM(amount_cents) AS BIGINT) AS amount_cents
FROM segments
GROUP BY segment
