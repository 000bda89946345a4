-- Which leases have run out? Their lines are free again; a call that was under way stays as an attempt that nobody has
-- finished, and is tried again a day later.
with out_of_time as (
    select message_id, attempt_id, reserved_until
    from call_line
    where reserved_by is not null and reserved_until <= :at
    for update skip locked
), unfinished as (
    update call_attempt a
    set ended_at = o.reserved_until
    from out_of_time o
    where a.attempt_id = o.attempt_id and a.ended_at is null
)
update call_line l
set reserved_by = null, reserved_until = null, attempt_id = null,
    not_before = case when o.attempt_id is null then l.not_before else o.reserved_until + interval '1 day' end,
    callback_at = case when o.attempt_id is null then l.callback_at end,
    owner = case when o.attempt_id is null then l.owner end
from out_of_time o
where l.message_id = o.message_id
