-- Which messages had left more often than this database knows (it was restored from a copy)? They are in doubt, and not
-- sent again by themselves.
with moved as (
    update message m
    set state = 'unknown', reason = 'claimed before the database was restored', attempt = o.claims, settled_at = :at
    from unnest(cast(:ids as uuid[]), cast(:claims as int[])) as o (message_id, claims)
    where m.message_id = o.message_id and m.state = 'planned' and m.attempt < o.claims
    returning m.message_id, m.run_id, m.channel, m.shard
), tallied as (
    update shard s
    set unknown = s.unknown + t.unknown
    from (select run_id, channel, shard, count(*) as unknown from moved group by run_id, channel, shard) t
    where s.run_id = t.run_id and s.channel = t.channel and s.shard = t.shard
)
select message_id from moved
