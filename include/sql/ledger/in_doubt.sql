-- Of which messages of a run does nobody know whether they left, since when, and which are in a worker's hands?
select channel,
    count(*) filter (where m.state = 'unknown') as unknown,
    min(settled_at) filter (where state = 'unknown') as since,
    count(*) filter (where state = 'claimed' and lease_until >= :at) as in_hand,
    count(*) filter (where state = 'claimed' and lease_until < :at) as silent
from shard s
join message m using (run_id, channel, shard)
where run_id = :run_id and m.state in ('claimed', 'unknown')
    and (s.unknown <> 0 or s.accepted + s.refused + s.unknown + s.cancelled <> s.messages) -- else there is none in it
group by channel
order by channel
