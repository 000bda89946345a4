-- Whom did the run hold out at random, by group, channel and whose holdout it was?
select segment, channel, scope, count(*) as customers
from holdout
where run_id = :run_id
group by segment, channel, scope
order by segment, channel, scope
