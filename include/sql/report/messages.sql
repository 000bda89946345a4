-- What has become of the run's messages, by group, channel, arm, text and state, and what do they cost?
select segment, channel, arm, template, language, state, count(*) as messages, coalesce(sum(pages), 0) as pages,
    sum(cost_micros)::bigint as cost_micros
from message
where run_id = :run_id
group by segment, channel, arm, template, language, state
order by segment, channel, arm, template, language, state
