-- Who is held out otherwise than the ledger has it?
with drawn as (
    select customer_id, segment, channel, draw, case verdict when 'holdout' then 'campaign' else 'shop' end as scope
    from decision
    where verdict in ('holdout', 'shop_holdout')
), compared as (
    select coalesce(p.customer_id, h.customer_id) as customer_id,
        case
            when h.customer_id is null then 'only in the replay: ' || p.channel
            when p.customer_id is null then 'only in the ledger: ' || h.channel
            when (p.segment, p.channel, p.draw, p.scope) <> (h.segment, h.channel, h.draw, h.scope) then 'changed'
        end as what
    from drawn p
    full join (select * from public.holdout where run_id = :run_id) h using (customer_id)
)
select what, count(*) as customers, (array_agg(customer_id order by customer_id))[1:10] as ids
from compared
where what is not null
    and not exists (select from public.hold h where h.customer_id = compared.customer_id and h.reason = 'erased')
group by what
order by what
