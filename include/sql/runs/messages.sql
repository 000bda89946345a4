-- What has become of the run's messages, by group, channel, arm and state, and what do they cost?
select segment, channel, coalesce(arm, '') as arm, state, count(*) as messages, sum(cost_micros)::bigint as cost_micros
from message
where run_id = :run_id
group by segment, channel, arm, state
