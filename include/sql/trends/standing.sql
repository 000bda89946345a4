-- Where did each customer stand on that day: group, tier, spend of the window, and whether they were slowing down?
SELECT
    s.customer_id AS code, s.segment, s.tier, s.amount_cents, s.purchase_days, s.first_day, s.last_day, s.lifetime_days,
    d.customer_id IS NOT NULL AS slow
FROM standing AS s
LEFT JOIN slowing_down AS d ON d.customer_id = s.customer_id
