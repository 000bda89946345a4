-- How many open lines are one agent's alone?
select assigned_to as agent, count(*) as lines
from call_line
where status = 'open' and assigned_to is not null and (cast(:run_id as text) is null or run_id = :run_id)
group by assigned_to
order by assigned_to
