-- How many lines are there still to be called, how many has somebody in hand, and when does the first of the others come?
select count(*) as waiting,
    count(*) filter (where reserved_by is not null and reserved_until > :at) as reserved,
    min(callback_at) filter (where callback_at > :at) as opens,
    min(coalesce(not_before, :at)) filter (where reserved_by is null and callback_at is null) as since
from call_line
where status = 'open' and expires_at > :at and (assigned_to is null or assigned_to = :agent)
    and (cast(:run_id as text) is null or run_id = :run_id)
