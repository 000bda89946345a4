-- Which lines are done with, and how?
update call_line l
set status = t.status, reason = t.reason, ended_at = :at, reserved_by = null, reserved_until = null, attempt_id = null,
    not_before = null, callback_at = null, owner = null
from unnest(cast(:ids as uuid[]), cast(:statuses as text[]), cast(:reasons as text[])) as t (message_id, status, reason)
where l.message_id = t.message_id and l.status = 'open'
returning l.message_id, l.status, l.attempts
