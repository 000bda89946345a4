-- What is known of all that each customer has bought up to a day? What was known on an earlier day, and the days since.
SELECT
    COALESCE(e.code, n.code) AS code,
    COALESCE(e.first_day, n.first_day) AS first_day,
    COALESCE(n.last_day, e.last_day) AS last_day,
    CAST(COALESCE(e.lifetime_days, 0) + COALESCE(n.lifetime_days, 0) AS INTEGER) AS lifetime_days
FROM ever AS e
FULL JOIN (
    SELECT code, MIN(day) AS first_day, MAX(day) AS last_day, COUNT(*) AS lifetime_days
    FROM days
    WHERE bought AND day > $after AND day <= $on
    GROUP BY code
) AS n ON n.code = e.code
