-- What had each customer bought up to that day, in the window and ever? As segment/known.sql says it of one snapshot's
-- day, in as many columns as the groups and tiers need: a test holds the two against each other.
SELECT
    e.code AS customer_id,
    COALESCE(w.purchase_days, 0) AS purchase_days,
    COALESCE(w.amount_cents, 0) AS amount_cents,
    e.first_day,
    e.last_day,
    e.lifetime_days,
    CAST(DATE_DIFF('day', e.last_day, $on) AS INTEGER) AS recency_days,
    DATE_DIFF('day', e.last_day, $on) < $lapsed_after_days AS active,
    CAST(w.amount_cents AS DOUBLE) / NULLIF(w.purchase_days, 0) AS basket,
    NULL AS orders,
    NULL AS lifetime_cents,
    NULL AS score
FROM ever AS e
LEFT JOIN (
    SELECT
        code,
        CAST(COUNT(CASE WHEN bought THEN 1 END) AS INTEGER) AS purchase_days,
        CAST(SUM(cents) AS BIGINT) AS amount_cents
    FROM days
    WHERE day > $window_start AND day <= $on
    GROUP BY code
) AS w ON w.code = e.code
