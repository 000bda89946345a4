-- Who are the shop's customers, and what has each bought, if anything? Orders of ids that are not there do not count.
SELECT
    c.customer_id,
    COALESCE(p.purchase_days, 0) AS purchase_days,
    COALESCE(p.orders, 0) AS orders,
    COALESCE(p.amount_cents, 0) AS amount_cents,
    p.first_day,
    p.last_day,
    COALESCE(p.lifetime_cents, 0) AS lifetime_cents,
    COALESCE(p.lifetime_days, 0) AS lifetime_days,
    p.recency_days,
    COALESCE(p.active, FALSE) AS active,
    COALESCE(p.active_before, FALSE) AS active_before,
    p.basket,
    p.average_order
FROM customers AS c
LEFT JOIN purchases AS p ON p.customer_id = c.customer_id
