-- Who is in the group that day, and what did they spend in the window?
SELECT p.customer_id, b.after AS segment, b.purchase_days, b.amount_cents, b.last_day
FROM behind AS b
JOIN people AS p ON p.code = b.code
WHERE b.after = $part AND $other = ''
