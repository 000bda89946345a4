-- This line is the agent's until the lease runs out.
update call_line
set reserved_by = :agent, reserved_until = :until, phone_mark = :mark
where message_id = :message_id
