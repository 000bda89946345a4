-- Who is in the tier that day, and what did they spend in the window?
SELECT p.customer_id, b.tier, b.after AS segment, b.purchase_days, b.amount_cents
FROM behind AS b
JOIN people AS p ON p.code = b.code
WHERE b.tier = $part AND $other = ''
