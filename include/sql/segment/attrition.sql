-- Of the customers who were active on the same day a year before, how many no longer are? New ones are left out.
SELECT COUNT(*) AS at_start, COUNT(CASE WHEN NOT active THEN 1 END) AS lost
FROM known
WHERE active_before
