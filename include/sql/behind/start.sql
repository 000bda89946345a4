-- Who was active when the period began, and what had become of them when it ended?
SELECT p.customer_id, b.before, b.after, b.after = 'lapsed' AS lost, b.last_day
FROM behind AS b
JOIN people AS p ON p.code = b.code
WHERE b.before <> 'lapsed' AND $part = '' AND $other = ''
