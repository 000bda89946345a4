-- What would the ledger hold of the rehearsed plan? Stands before the ledger in the rehearsal's own transaction.
create temp view message as
select p.message_id, r.run_id, p.customer_id, p.channel, p.segment, p.language, p.template, p.arm, p.offer_code,
    p.cost_micros, p.shard, p.position, 'planned' as state, cast(null as smallint) as pages
from planned_message p
cross join rehearsed r
