-- What did each agent do on each day, by the shop's clock?
select (dialled_at at time zone :zone)::date as day, agent, coalesce(disposition, 'unfinished') as disposition,
    count(*) as attempts
from call_attempt
where dialled_at >= :since and (cast(:run_id as text) is null or run_id = :run_id)
group by 1, 2, 3
order by 1 desc, 2, 3
