-- How many addresses and numbers must not be used again, by channel and reason?
select channel, reason, count(*) as suppressions
from suppression
where lifted_at is null
group by channel, reason
order by channel, reason
