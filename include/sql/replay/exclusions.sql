-- Which exclusions are not as the ledger has them?
with compared as (
    select coalesce(p.customer_id, e.customer_id) as customer_id,
        case
            when e.customer_id is null then 'only in the replay: ' || p.rule
            when p.customer_id is null then 'only in the ledger: ' || e.rule
            when p.rule <> e.rule then 'changed: ' || e.rule || ' in the ledger, ' || p.rule || ' in the replay'
            when p.value is distinct from e.value then 'changed: what the rule ' || e.rule || ' saw'
            when p.segment <> e.segment then 'changed: segment'
        end as what
    from refusal p
    full join (select * from public.exclusion where run_id = :run_id) e using (customer_id)
)
select what, count(*) as customers, (array_agg(customer_id order by customer_id))[1:10] as ids
from compared
where what is not null
    and not exists (select from public.hold h where h.customer_id = compared.customer_id and h.reason = 'erased')
group by what
order by what
