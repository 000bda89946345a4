-- How many told each reason, to how many was an offer made, how many have come back, and what for?
select reason, count(*)::int as customers, count(*) filter (where offered)::int as offered,
    count(*) filter (where orders > 0)::int as came_back, coalesce(sum(cents), 0)::bigint as cents
from told
group by reason
order by customers desc, reason
