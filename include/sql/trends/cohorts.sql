-- Of the customers whose first purchase was in one quarter, how many bought in each quarter since? Part is the cohort's
-- quarter, other how many quarters later.
WITH first_quarters AS (
    SELECT code, YEAR(first_day) * 4 + QUARTER(first_day) AS number,
        CAST(YEAR(first_day) AS VARCHAR) || '-Q' || CAST(QUARTER(first_day) AS VARCHAR) AS cohort
    FROM ever
), sizes AS (
    SELECT cohort, number, COUNT(*) AS customers
    FROM first_quarters
    GROUP BY cohort, number
), bought AS (
    SELECT f.cohort, d.number, COUNT(*) AS customers
    FROM (SELECT DISTINCT code, YEAR(day) * 4 + QUARTER(day) AS number FROM days WHERE bought) AS d
    JOIN first_quarters AS f ON f.code = d.code
    GROUP BY f.cohort, d.number
)
SELECT
    p.span,
    p.starts,
    p.ends,
    s.cohort AS part,
    LPAD(CAST(YEAR(p.ends) * 4 + QUARTER(p.ends) - s.number AS VARCHAR), 3, '0') AS other,
    COALESCE(b.customers, 0) AS value,
    s.customers AS of
FROM periods AS p
JOIN sizes AS s ON s.number <= YEAR(p.ends) * 4 + QUARTER(p.ends)
LEFT JOIN bought AS b ON b.cohort = s.cohort AND b.number = YEAR(p.ends) * 4 + QUARTER(p.ends)
WHERE p.span = 'quarter' AND p.ours
