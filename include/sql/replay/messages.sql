-- Which messages are not as the ledger has them?
with compared as (
    select coalesce(p.customer_id, m.customer_id) as customer_id,
        case
            when m.customer_id is null then 'only in the replay: ' || p.channel
            when p.customer_id is null then 'only in the ledger: ' || m.channel
            else 'changed: ' || concat_ws(', ',
                case when p.message_id <> m.message_id then 'message_id' end,
                case when p.segment <> m.segment then 'segment' end,
                case when p.language <> m.language then 'language' end,
                case when p.template <> m.template then 'template' end,
                case when p.arm is distinct from m.arm then 'arm' end,
                case when p.offer_code is distinct from m.offer_code then 'offer_code' end,
                case when p.cost_micros <> m.cost_micros then 'cost_micros' end,
                case when p.shard <> m.shard then 'shard' end,
                case when p.position <> m.position then 'position' end
            )
        end as what
    from planned_message p
    full join (select * from public.message where run_id = :run_id) m using (customer_id, channel)
)
select what, count(*) as customers, (array_agg(customer_id order by customer_id))[1:10] as ids
from compared
where what <> 'changed: '
    and not exists (select from public.hold h where h.customer_id = compared.customer_id and h.reason = 'erased')
group by what
order by what
