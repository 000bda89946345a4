-- What has become of the run's messages, by group, channel and state?
select segment, channel, state, count(*) as messages, coalesce(sum(pages), 0) as pages
from message
where run_id = :run_id
group by segment, channel, state
order by segment, channel, state
