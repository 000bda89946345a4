-- What did those get who were erased? The ledger's word is taken for it.
insert into planned_message (
    message_id, customer_id, channel, segment, language, template, arm, offer_code, cost_micros, shard, position
)
select m.message_id, m.customer_id, m.channel, m.segment, m.language, m.template, m.arm, m.offer_code, m.cost_micros,
    m.shard, m.position
from public.message m
where m.run_id = :run_id
    and exists (select from public.hold h where h.customer_id = m.customer_id and h.reason = 'erased')
