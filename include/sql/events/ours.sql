-- Which of these messages are in the ledger?
select message_id
from message
where message_id = any(cast(:ids as uuid[]))
