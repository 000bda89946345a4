-- What did repeat purchases bring on average, for each customer who made any that brought something?
SELECT repeats, repeat_cents / CAST(repeats AS DOUBLE) AS average
FROM histories
WHERE repeats > 0 AND repeat_cents > 0
ORDER BY repeats, average
