-- How many does the shop hold out of everything in that year, and since when?
select count(*)::int as customers, min(known_at) as since
from shop_holdout
where year = :year
