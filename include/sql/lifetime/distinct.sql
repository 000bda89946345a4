-- Which histories are there, and how many customers share each?
SELECT repeats, last_after, known_for, COUNT(*) AS customers
FROM histories
GROUP BY repeats, last_after, known_for
ORDER BY repeats, last_after, known_for
