-- Of which of these messages in doubt has an event spoken already, before they were? What it says had left, had; what
-- was only dropped had not, until another event says otherwise: whichever comes first, they end the same.
with told as (
    select o.message_id, bool_and(o.kind = any(:never_left)) as never_left
    from outcome o
    where o.message_id = any(:ids)
    group by o.message_id
), due as (
    select message_id, m.state as was, t.never_left
    from told t
    join message m using (message_id)
    where m.state = 'unknown' or (m.state = 'refused' and m.reason = 'dropped' and not t.never_left)
    for update of m
), moved as (
    update message m
    set state = case when d.never_left then 'refused' else 'accepted' end,
        reason = case when d.never_left then 'dropped' else 'told by an event' end,
        settled_at = :at, lease_until = null
    from due d
    where m.message_id = d.message_id
    returning m.message_id, m.run_id, m.channel, m.shard, m.state, d.was
), tallied as (
    update shard s
    set accepted = s.accepted + t.accepted, refused = s.refused + t.refused, unknown = s.unknown - t.unknown
    from (
        select run_id, channel, shard, count(*) filter (where was = 'unknown') as unknown,
            count(*) filter (where state = 'accepted') as accepted,
            count(*) filter (where state = 'refused') - count(*) filter (where was = 'refused') as refused
        from moved
        group by run_id, channel, shard
    ) t
    where s.run_id = t.run_id and s.channel = t.channel and s.shard = t.shard
)
select message_id from moved
