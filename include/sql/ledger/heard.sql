-- Of which of these messages in doubt has an event spoken already, before they were? What it says had left, had; what
-- was only dropped had not.
with told as (
    select o.message_id, bool_and(o.kind = any(:never_left)) as never_left,
        (array_agg(o.kind order by o.kind = any(:never_left), o.occurred_at desc, o.outcome_id desc))[1] as kind
    from outcome o
    where o.message_id = any(:ids)
    group by o.message_id
), moved as (
    update message m
    set state = case when o.never_left then 'refused' else 'accepted' end,
        reason = case when o.never_left then o.kind else 'told by an event: ' || o.kind end,
        settled_at = :at, lease_until = null
    from told o
    where m.message_id = o.message_id and m.state = 'unknown'
    returning m.message_id, m.run_id, m.channel, m.shard, m.state
), tallied as (
    update shard s
    set accepted = s.accepted + t.accepted, refused = s.refused + t.refused, unknown = s.unknown - t.messages
    from (
        select run_id, channel, shard, count(*) as messages,
            count(*) filter (where state = 'accepted') as accepted,
            count(*) filter (where state = 'refused') as refused
        from moved
        group by run_id, channel, shard
    ) t
    where s.run_id = t.run_id and s.channel = t.channel and s.shard = t.shard
)
select message_id from moved
