-- What does the run plan for each group, channel and arm, what does it cost, and how much of it has left already?
select segment, channel, arm,
    count(*) as messages,
    sum(cost_micros)::bigint as cost_micros,
    count(*) filter (where state not in ('planned', 'claimed', 'cancelled')) as gone,
    count(*) filter (where state = 'cancelled') as cancelled
from message
where run_id = :run_id
group by segment, channel, arm
order by segment, channel, arm
