-- Of which messages of a run does nobody know whether they left, since when, and which are in a worker's hands?
select channel,
    count(*) filter (where state = 'unknown') as unknown,
    min(settled_at) filter (where state = 'unknown') as since,
    count(*) filter (where state = 'claimed' and lease_until >= :at) as in_hand,
    count(*) filter (where state = 'claimed' and lease_until < :at) as silent
from message
where run_id = :run_id and state in ('claimed', 'unknown')
group by channel
order by channel
