-- Who has been silent for longer than is usual for them, and has not lapsed yet?
SELECT p.customer_id, b.after AS segment, b.lifetime_days, b.first_day, b.last_day, b.amount_cents
FROM behind AS b
JOIN people AS p ON p.code = b.code
WHERE b.slow AND b.tier IS NOT NULL AND $part = '' AND $other = ''
