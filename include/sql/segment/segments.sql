-- Which group, which fifths, which score and which tier is each customer in?
-- Equal values get equal fifths: 5 up to the 20 % most recent, 1 up to the 20 % smallest frequencies and amounts.
SELECT
    s.customer_id,
    CASE
        WHEN s.last_day IS NULL THEN 'prospect'
        WHEN NOT s.active THEN 'lapsed'
        WHEN s.purchase_days >= t.regular_purchase_days AND s.basket >= t.heavy_basket THEN 'regular_heavy'
        WHEN s.purchase_days >= t.regular_purchase_days THEN 'regular_light'
        WHEN s.basket >= t.heavy_basket THEN 'occasional_heavy'
        ELSE 'occasional_light'
    END AS segment,
    s.recency_days,
    s.purchase_days,
    s.orders,
    s.amount_cents,
    CAST(SIGN(s.basket) * FLOOR(ABS(s.basket) + 0.5) AS BIGINT) AS average_basket_cents, -- ROUND differs by dialect
    CASE
        WHEN s.last_day IS NULL THEN NULL
        WHEN s.recency_days <= t.r_20 THEN 5
        WHEN s.recency_days <= t.r_40 THEN 4
        WHEN s.recency_days <= t.r_60 THEN 3
        WHEN s.recency_days <= t.r_80 THEN 2
        ELSE 1
    END AS r,
    CASE
        WHEN s.last_day IS NULL THEN NULL
        WHEN s.purchase_days <= t.f_20 THEN 1
        WHEN s.purchase_days <= t.f_40 THEN 2
        WHEN s.purchase_days <= t.f_60 THEN 3
        WHEN s.purchase_days <= t.f_80 THEN 4
        ELSE 5
    END AS f,
    CASE
        WHEN s.last_day IS NULL THEN NULL
        WHEN s.amount_cents <= t.m_20 THEN 1
        WHEN s.amount_cents <= t.m_40 THEN 2
        WHEN s.amount_cents <= t.m_60 THEN 3
        WHEN s.amount_cents <= t.m_80 THEN 4
        ELSE 5
    END AS m,
    s.score,
    CASE
        WHEN NOT s.active THEN NULL
        WHEN s.amount_cents >= t.top_20 THEN 'top_20'
        WHEN s.amount_cents >= t.next_40 THEN 'next_40'
        ELSE 'other'
    END AS tier,
    s.first_day,
    s.last_day,
    s.lifetime_cents,
    s.lifetime_days
FROM scored AS s
CROSS JOIN thresholds AS t
