-- Who is among the best fifth of the active customers, by what they spent in the window?
select customer_id
from standing
where tier = 'top_20'
