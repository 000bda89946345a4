-- How many are due, kept, kept for what is still open with them, or kept for want of any date, by rule?
select rule, verdict, count(*) as customers
from due
group by rule, verdict
order by rule, verdict
