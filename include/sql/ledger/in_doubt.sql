-- Of which messages of a run does nobody know whether they left, since when, and which are in a worker's hands? They are
-- looked for in the shards that are not through, or have some in doubt: a few of hundreds.
select s.channel,
    count(*) filter (where m.state = 'unknown') as unknown,
    min(m.settled_at) filter (where m.state = 'unknown') as since,
    count(*) filter (where m.state = 'claimed' and m.lease_until >= :at) as in_hand,
    count(*) filter (where m.state = 'claimed' and m.lease_until < :at) as silent
from shard s
cross join lateral (
    select state, settled_at, lease_until
    from message
    where run_id = s.run_id and channel = s.channel and shard = s.shard and state in ('claimed', 'unknown')
    offset 0 -- else the whole ledger would be read
) m
where s.run_id = :run_id and (s.unknown <> 0 or s.accepted + s.refused + s.unknown + s.cancelled <> s.messages)
group by s.channel
order by s.channel
