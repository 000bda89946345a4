-- A list that had ended is told of later: this call was made after all.
with moved as (
    update message
    set state = 'accepted', reason = null
    where message_id = :message_id and state = 'cancelled' and reason = 'released'
    returning run_id, channel, shard
), tallied as (
    update shard s
    set accepted = s.accepted + 1, cancelled = s.cancelled - 1
    from moved m
    where s.run_id = m.run_id and s.channel = m.channel and s.shard = m.shard
)
update call_line
set status = case when :done then 'done' else 'not_reached' end, disposition = :disposition
where message_id = :message_id and status in ('released', 'not_reached')
