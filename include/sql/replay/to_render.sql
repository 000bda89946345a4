-- Which messages are rendered? Those of the replay, in the ledger's place.
create temp view message as
select p.message_id, r.run_id, p.customer_id, p.channel, p.segment, p.language, p.template, p.arm, p.offer_code,
    p.cost_micros, p.shard, p.position, 'planned' as state
from planned_message p, replayed r
