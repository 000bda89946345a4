-- What has each customer bought up to the day we stand on, in the window and in all history?
-- One pass over `lines` (customer_id, order_id, day, cents). A purchase is a distinct day with a positive line, an order
-- a distinct order_id with a positive line in the window; amounts are net of returns.
-- The two grouping sets make days and orders distinct side by side, for little more than one of them alone costs as
-- COUNT(DISTINCT): a row of the first has a day and no order, a row of the second an order (if any) and no day.
WITH marked AS (
    SELECT
        customer_id, day, cents, CASE WHEN cents > 0 AND day > $window_start THEN order_id END AS order_id
    FROM lines
    WHERE day <= $on
), distinct_days_and_orders AS (
    SELECT customer_id, day, order_id, CAST(SUM(cents) AS BIGINT) AS cents, MAX(cents) AS largest
    FROM marked
    GROUP BY GROUPING SETS ((customer_id, day), (customer_id, order_id))
), days_and_orders AS (
    SELECT
        customer_id,
        order_id,
        CASE WHEN largest > 0 THEN day END AS bought,
        CASE WHEN day IS NOT NULL THEN cents END AS cents,
        CASE WHEN day > $window_start THEN cents ELSE 0 END AS recent_cents
    FROM distinct_days_and_orders
), summed AS (
    SELECT
        customer_id,
        CAST(COUNT(CASE WHEN bought > $window_start THEN 1 END) AS INTEGER) AS purchase_days,
        CAST(COUNT(order_id) AS INTEGER) AS orders,
        CAST(SUM(recent_cents) AS BIGINT) AS amount_cents,
        MIN(bought) AS first_day,
        MAX(bought) AS last_day,
        MAX(CASE WHEN bought <= $year_before THEN bought END) AS last_day_before,
        CAST(SUM(cents) AS BIGINT) AS lifetime_cents,
        CAST(COUNT(bought) AS INTEGER) AS lifetime_days
    FROM days_and_orders
    GROUP BY customer_id
)
SELECT
    *,
    CAST(DATE_DIFF('day', last_day, $on) AS INTEGER) AS recency_days,
    COALESCE(DATE_DIFF('day', last_day, $on) < $lapsed_after_days, FALSE) AS active,
    COALESCE(DATE_DIFF('day', last_day_before, $year_before) < $lapsed_after_days, FALSE) AS active_before,
    CAST(amount_cents AS DOUBLE) / NULLIF(purchase_days, 0) AS basket,
    COALESCE(
        CAST(amount_cents AS DOUBLE) / NULLIF(orders, 0), CAST(lifetime_cents AS DOUBLE) / NULLIF(lifetime_days, 0)
    ) AS average_order -- who has ordered nothing in the window is judged by the purchases of before
FROM summed
