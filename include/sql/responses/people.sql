-- Who was in the run, planned to be written to or held out?
select customer_id, true as treated, cast(null as text) as scope, min(segment) as segment, min(channel) as channel,
    min(arm) as arm
from message
where run_id = :run_id
group by customer_id
union all
select customer_id, false, scope, segment, channel, null
from holdout
where run_id = :run_id
