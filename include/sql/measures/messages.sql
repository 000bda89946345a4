-- What came of each message of these runs, a row each: what is counted, and what a figure is made of.
-- A click is a machine's where it came within ten seconds of the delivery, or with another click of the same mail within
-- two: scanners follow links on arrival, and all of them at once. An opening counts where its reader had agreed to that.
with told as materialized ( -- read twice
    select o.message_id, o.kind, o.occurred_at, a.customer_id
    from outcome o
    join message a using (message_id)
    where a.run_id = any(cast(:run_ids as text[])) and o.recorded_at <= :known
), heard as (
    select t.message_id,
        bool_or(t.kind in ('delivered', 'mailed')) as delivered,
        min(t.occurred_at) filter (where t.kind = 'delivered') as delivered_at,
        bool_or(t.kind in ('hard_bounce', 'blocked', 'dropped', 'returned', 'spoiled', 'not_mailed')) as returned,
        bool_or(t.kind = 'opened' and (
            select k.status = 'granted'
            from consent k
            where k.customer_id = t.customer_id and k.channel = 'email' and k.purpose = 'open_tracking'
                and k.recorded_at <= t.occurred_at
            order by k.recorded_at desc, k.status desc
            limit 1
        )) as opened,
        bool_or(t.kind = 'unsubscribed') as unsubscribed,
        bool_or(t.kind = 'complaint') as complained,
        bool_or(t.kind = 'reached') as reached
    from told t
    group by t.message_id
), clicked as (
    select message_id, bool_or(not by_machine) as by_person, bool_or(by_machine) as by_machine
    from (
        select message_id,
            coalesce(t.occurred_at < h.delivered_at + make_interval(secs => :seconds), false)
                or coalesce(t.occurred_at - lag(t.occurred_at) over of_mail <= make_interval(secs => :burst), false)
                or coalesce(lead(t.occurred_at) over of_mail - t.occurred_at <= make_interval(secs => :burst), false)
                as by_machine
        from told t
        join heard h using (message_id)
        where t.kind = 'clicked'
        window of_mail as (partition by message_id order by t.occurred_at)
    ) click
    group by message_id
)
select m.run_id, m.message_id, m.customer_id, m.segment, m.channel, m.template, coalesce(m.arm, '') as arm, m.state,
    m.state in ('accepted', 'unknown') as sent,
    m.state = 'unknown' as in_doubt,
    m.state = 'refused' as refused,
    m.state = 'cancelled' as cancelled,
    m.state in ('planned', 'claimed') as waiting,
    coalesce(o.delivered, false) as delivered,
    coalesce(o.returned, false) as returned,
    coalesce(k.by_person, false) as human_click,
    coalesce(k.by_machine, false) and not coalesce(k.by_person, false) as machine_click,
    coalesce(o.opened, false) as opened,
    coalesce(o.unsubscribed, false) as unsubscribed,
    coalesce(o.complained, false) as complained,
    coalesce(o.reached, false) as reached,
    coalesce(c.orders, 0) > 0 as responded,
    coalesce(c.orders, 0) as orders,
    coalesce(c.sold_cents, 0) as sold_cents,
    coalesce(c.returned_cents, 0) as returned_cents,
    coalesce(c.sold_cents, 0) - coalesce(c.returned_cents, 0) as revenue_cents,
    case when m.state in ('accepted', 'unknown') then m.cost_micros else 0 end as cost_micros
from message m
left join heard o using (message_id)
left join clicked k using (message_id)
left join (
    select message_id, sum(orders)::int as orders, sum(sold_cents)::bigint as sold_cents,
        sum(returned_cents)::bigint as returned_cents
    from credit
    where run_id = any(cast(:run_ids as text[])) and known_at <= :known
    group by message_id
) c using (message_id)
where m.run_id = any(cast(:run_ids as text[]))
