-- What does a person say of a run's messages that are in doubt? All of them become that.
with moved as (
    update message
    set state = :state, reason = :reason, lease_until = null,
        settled_at = case when :state <> 'planned' then cast(:at as timestamptz) end
    where run_id = :run_id and state = 'unknown'
    returning run_id, channel, shard
), tallied as (
    update shard s
    set unknown = s.unknown - t.messages,
        accepted = s.accepted + case when :state = 'accepted' then t.messages else 0 end,
        refused = s.refused + case when :state = 'refused' then t.messages else 0 end
    from (select run_id, channel, shard, count(*) as messages from moved group by run_id, channel, shard) t
    where s.run_id = t.run_id and s.channel = t.channel and s.shard = t.shard
)
select channel, count(*) as messages from moved group by channel order by channel
