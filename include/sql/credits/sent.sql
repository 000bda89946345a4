-- To which messages may purchases since a day be credited, when had they left, and did they reach anybody?
with failed as (
    select message_id, max(occurred_at) as at
    from outcome
    where kind in ('hard_bounce', 'dropped', 'blocked', 'spoiled', 'not_mailed', 'returned', 'not_reached')
    group by message_id
), nobody as (
    select f.message_id
    from failed f
    where not exists (
        select
        from outcome o
        where o.message_id = f.message_id and o.occurred_at >= f.at
            and o.kind in ('delivered', 'printed', 'mailed', 'reached', 'complaint', 'unsubscribed')
    )
), young as materialized ( -- else the settings of its run would be read for every message
    select run_id, on_date, planned_at, on_date + response_days(settings) as until,
        on_date + greatest(response_days(settings), offer_days(settings)) as code_until
    from run
    where on_date + greatest(response_days(settings), offer_days(settings)) >= cast(:since as date)
        and on_date <= cast(:on as date)
)
select m.message_id, m.run_id, m.customer_id, m.offer_code as code,
    coalesce(
        -- of what was in doubt, the ledger says when that was told
        case when m.reason = 'told by an event' then (
            select min(o.occurred_at) from outcome o where o.message_id = m.message_id
        ) end,
        m.settled_at, y.planned_at
    ) at time zone :zone as left_at, y.on_date as since, y.until, y.code_until,
    m.state = 'accepted' and n.message_id is null as counts
from young y
join message m using (run_id)
left join nobody n using (message_id)
where m.state in ('claimed', 'accepted', 'refused', 'unknown')
