-- What do the best 5, 10, 15 … 100 % of active customers spend in the window, the best first?
SELECT
    $ends AS ends,
    s.step,
    CAST(SUM(r.amount_cents) AS BIGINT) AS value,
    CAST(MAX(r.everyone) AS BIGINT) AS of
FROM (SELECT UNNEST(RANGE(5, 101, 5)) AS step) AS s
JOIN (
    SELECT (place - 1) * 20 // customers * 5 AS reached, SUM(amount_cents) AS amount_cents,
        SUM(SUM(amount_cents)) OVER () AS everyone
    FROM (
        SELECT amount_cents, ROW_NUMBER() OVER (ORDER BY amount_cents DESC) AS place,
            COUNT(*) OVER () AS customers
        FROM behind
        WHERE tier IS NOT NULL
    ) AS ranked
    GROUP BY (place - 1) * 20 // customers * 5
) AS r ON r.reached < s.step
GROUP BY s.step
