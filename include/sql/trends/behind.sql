-- Where did each customer stand before and after a period, and what did they do in it? All the figures of a period are
-- counts and sums over these rows, so that each can show the rows behind it. Who had not bought by a day stands nowhere
-- on it (null).
SELECT
    COALESCE(a.code, d.code) AS code,
    b.segment AS before,
    a.segment AS after,
    a.tier,
    COALESCE(a.slow, FALSE) AS slow,
    a.amount_cents,
    a.purchase_days,
    a.first_day,
    a.last_day,
    a.lifetime_days,
    COALESCE(d.visits, 0) AS visits,
    COALESCE(d.cents, 0) AS cents
FROM standing_after AS a
LEFT JOIN standing_before AS b ON b.code = a.code
FULL JOIN (
    SELECT
        code,
        CAST(COUNT(CASE WHEN bought THEN 1 END) AS INTEGER) AS visits,
        CAST(SUM(cents) AS BIGINT) AS cents
    FROM days
    WHERE day > $starts AND day <= $ends
    GROUP BY code
) AS d ON d.code = a.code
