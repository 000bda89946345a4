-- Who are the best so many per cent of active customers, and what did each spend in the window?
SELECT customer_id, place, segment, purchase_days, amount_cents
FROM (
    SELECT p.customer_id, b.after AS segment, b.purchase_days, b.amount_cents, COUNT(*) OVER () AS customers,
        ROW_NUMBER() OVER (ORDER BY b.amount_cents DESC, p.customer_id) AS place
    FROM behind AS b
    JOIN people AS p ON p.code = b.code
    WHERE b.tier IS NOT NULL
) AS ranked
WHERE (place - 1) * 100 < CAST($part AS INTEGER) * customers AND $other = ''
