-- How many complaints are open, and how many of them past the promise?
select count(*) as "open", count(*) filter (where due_at < :at) as late
from complaint
where closed_at is null
