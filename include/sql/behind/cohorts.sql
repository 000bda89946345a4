-- Who made a first purchase in the cohort's quarter, and how often did each buy in the period?
SELECT p.customer_id, b.first_day, b.visits > 0 AS bought, b.visits, b.cents
FROM behind AS b
JOIN people AS p ON p.code = b.code
WHERE CAST(YEAR(b.first_day) AS VARCHAR) || '-Q' || CAST(QUARTER(b.first_day) AS VARCHAR) = $part AND $other <> ''
