-- Who went from the one group to the other in the period?
SELECT p.customer_id, COALESCE(b.before, 'new') AS before, b.after, b.purchase_days, b.amount_cents, b.last_day
FROM behind AS b
JOIN people AS p ON p.code = b.code
WHERE COALESCE(b.before, 'new') = $part AND b.after = $other
