-- What did the ledger hold then? What was cancelled or refused only later had counted.
create temp view message as
select m.message_id, m.run_id, m.customer_id, m.channel, m.segment, m.language, m.template, m.arm, m.offer_code,
    m.cost_micros, m.shard, m.position,
    case when m.settled_at > p.planned_at then 'planned' else m.state end as state,
    m.attempt, m.provider_id,
    case when m.settled_at > p.planned_at then null else m.reason end as reason,
    case when m.settled_at > p.planned_at then null else m.settled_at end as settled_at
from public.message m
join run r using (run_id), replayed p
