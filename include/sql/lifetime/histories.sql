-- How did each customer buy until now: repeat purchases, days from the first to the last and until today, and what the
-- repeat purchases brought? One pass over `lines`; a purchase is a distinct day with a positive line, amounts are net.
WITH days AS (
    SELECT customer_id, day, CAST(SUM(cents) AS BIGINT) AS cents, MAX(cents) AS largest
    FROM lines
    WHERE customer_id IS NOT NULL AND day <= $on
    GROUP BY customer_id, day
), bounds AS (
    SELECT
        customer_id,
        MIN(CASE WHEN largest > 0 THEN day END) AS first_day,
        MAX(CASE WHEN largest > 0 THEN day END) AS last_day,
        CAST(COUNT(CASE WHEN largest > 0 THEN 1 END) AS INTEGER) AS purchases,
        CAST(SUM(cents) AS BIGINT) AS cents,
        CAST(ARG_MIN(cents, day) FILTER (WHERE largest > 0) AS BIGINT) AS first_cents
    FROM days
    GROUP BY customer_id
)
SELECT
    customer_id,
    purchases - 1 AS repeats,
    CAST(last_day - first_day AS INTEGER) AS last_after,
    CAST($on - first_day AS INTEGER) AS known_for,
    GREATEST(0, cents - GREATEST(0, first_cents)) AS repeat_cents
FROM bounds
WHERE first_day IS NOT NULL
