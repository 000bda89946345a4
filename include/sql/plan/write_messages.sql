-- Write the ledger's rows.
insert into message (
    message_id, run_id, customer_id, channel, segment, language, template, arm, offer_code, cost_micros, shard,
    position, state
)
select message_id, :run_id, customer_id, channel, segment, language, template, arm, offer_code, cost_micros, shard,
    position, 'planned'
from planned_message
