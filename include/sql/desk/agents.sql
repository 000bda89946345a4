-- Who works at the desk: who has dialled in the last days, or has lines of their own?
select agent from call_attempt where source = 'desk' and dialled_at >= :since
union
select assigned_to from call_line where status = 'open' and assigned_to is not null
order by 1
