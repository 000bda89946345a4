-- How many customers went which way in the period, and what did they do? A few rows, from which the figures are made.
SELECT
    $span AS span,
    $starts AS starts,
    $ends AS ends,
    before,
    after,
    tier,
    COUNT(*) AS customers,
    CAST(SUM(amount_cents) AS BIGINT) AS amount_cents,
    COUNT(CASE WHEN slow THEN 1 END) AS slow,
    COUNT(CASE WHEN visits > 0 THEN 1 END) AS buyers,
    CAST(SUM(visits) AS BIGINT) AS visits,
    CAST(SUM(cents) AS BIGINT) AS cents
FROM behind
GROUP BY before, after, tier
