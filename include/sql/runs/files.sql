-- In which lots and lists did the run's letters and calls leave?
select channel, provider_id as name, count(*) as messages, coalesce(sum(pages), 0) as pages
from message
where run_id = :run_id and channel in ('letter', 'call') and state = 'accepted' and provider_id is not null
group by channel, provider_id
order by channel, provider_id
