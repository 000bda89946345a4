-- Who bought or brought something back in the period, on how many days and for how much?
SELECT p.customer_id, b.visits, b.cents, b.after AS segment
FROM behind AS b
JOIN people AS p ON p.code = b.code
WHERE (b.visits > 0 OR b.cents <> 0) AND $part = '' AND $other = ''
