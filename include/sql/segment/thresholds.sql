-- From which basket on is a customer heavy, where do the fifths of recency, frequency and amount end, and from which
-- amount on is one of the best 20 % or of the next 40 %?
-- Fifths are those of all who ever bought; baskets and amounts of the best are those of active customers only.
SELECT
    $regular_purchase_days AS regular_purchase_days,
    PERCENTILE_CONT($heavy_percentile) WITHIN GROUP (ORDER BY CASE WHEN active THEN basket END) AS heavy_basket,
    PERCENTILE_DISC(0.2) WITHIN GROUP (ORDER BY recency_days) AS r_20,
    PERCENTILE_DISC(0.4) WITHIN GROUP (ORDER BY recency_days) AS r_40,
    PERCENTILE_DISC(0.6) WITHIN GROUP (ORDER BY recency_days) AS r_60,
    PERCENTILE_DISC(0.8) WITHIN GROUP (ORDER BY recency_days) AS r_80,
    PERCENTILE_DISC(0.2) WITHIN GROUP (ORDER BY purchase_days) AS f_20,
    PERCENTILE_DISC(0.4) WITHIN GROUP (ORDER BY purchase_days) AS f_40,
    PERCENTILE_DISC(0.6) WITHIN GROUP (ORDER BY purchase_days) AS f_60,
    PERCENTILE_DISC(0.8) WITHIN GROUP (ORDER BY purchase_days) AS f_80,
    PERCENTILE_DISC(0.2) WITHIN GROUP (ORDER BY amount_cents) AS m_20,
    PERCENTILE_DISC(0.4) WITHIN GROUP (ORDER BY amount_cents) AS m_40,
    PERCENTILE_DISC(0.6) WITHIN GROUP (ORDER BY amount_cents) AS m_60,
    PERCENTILE_DISC(0.8) WITHIN GROUP (ORDER BY amount_cents) AS m_80,
    PERCENTILE_DISC(0.2) WITHIN GROUP (ORDER BY CASE WHEN active THEN amount_cents END DESC) AS top_20,
    PERCENTILE_DISC(0.6) WITHIN GROUP (ORDER BY CASE WHEN active THEN amount_cents END DESC) AS next_40
FROM known
WHERE last_day IS NOT NULL
