-- What does the file of `habitue segment` say of each customer, with amounts in the shop's currency?
SELECT
    customer_id,
    segment,
    recency_days,
    purchase_days,
    orders,
    CAST(amount_cents * 0.01 AS DECIMAL(18, 2)) AS amount,
    CAST(average_basket_cents * 0.01 AS DECIMAL(18, 2)) AS average_basket,
    r,
    f,
    m,
    score,
    tier
FROM segments
