-- How many customers moved from which group to which since the last snapshot? Who was not there before is new, who is
-- no longer there is gone.
SELECT COALESCE(b.segment, 'new') AS moved_from, COALESCE(n.segment, 'gone') AS moved_to, COUNT(*) AS customers
FROM segments AS n
FULL JOIN previous AS b ON b.customer_id = n.customer_id
GROUP BY COALESCE(b.segment, 'new'), COALESCE(n.segment, 'gone')
