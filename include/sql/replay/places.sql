-- In which place stood each message? Letters follow the post's order, and where those stood who were erased can't be
-- worked out again: the ledger's places are taken.
update planned_message p
set shard = m.shard, position = m.position
from public.message m
where m.message_id = p.message_id
