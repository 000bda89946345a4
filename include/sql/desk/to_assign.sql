-- Which open lines of a list, the best first, are one agent's alone, or nobody's, and in nobody's hands?
select message_id
from call_line
where run_id = :run_id and status = 'open' and assigned_to is not distinct from cast(:giver as text)
    and (reserved_until is null or reserved_until <= :at) and attempt_id is null
order by rank
limit :most
