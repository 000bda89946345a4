-- What is known of each customer, with how likely he still is one and what he may bring? Whoever bought once may have
-- left as well as anybody: what he brings if he comes back is then all beyond what is expected.
SELECT
    s.*,
    v.alive,
    CAST(ROUND(v.worth) AS BIGINT) AS worth_cents,
    CASE WHEN s.segment = 'lapsed' THEN CAST(ROUND(v.back * (1 - COALESCE(v.alive, 0))) AS BIGINT) END AS won_back_cents
FROM segments AS s
LEFT JOIN valued AS v USING (customer_id)
ORDER BY s.customer_id
