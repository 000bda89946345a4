-- What came of each message of a run, a row each: what is counted, and what a figure is made of.
-- A click is a machine's where it came within ten seconds of the delivery, or with another click of the same mail within
-- two: scanners follow links on arrival, and all of them at once. An opening counts where its reader had agreed to that.
select m.message_id, m.customer_id, m.segment, m.channel, m.template, coalesce(m.arm, '') as arm, m.state,
    m.state in ('accepted', 'unknown') as sent,
    m.state = 'unknown' as in_doubt,
    m.state = 'refused' as refused,
    m.state = 'cancelled' as cancelled,
    m.state in ('planned', 'claimed') as waiting,
    coalesce(o.delivered, false) as delivered,
    coalesce(o.returned, false) as returned,
    coalesce(o.human_click, false) as human_click,
    coalesce(o.machine_click, false) and not coalesce(o.human_click, false) as machine_click,
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
left join (
    select t.message_id,
        bool_or(t.kind in ('delivered', 'mailed')) as delivered,
        bool_or(t.kind in ('hard_bounce', 'blocked', 'dropped', 'returned', 'spoiled', 'not_mailed')) as returned,
        bool_or(t.kind = 'clicked' and not t.by_machine) as human_click,
        bool_or(t.kind = 'clicked' and t.by_machine) as machine_click,
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
    from (
        select o.message_id, o.kind, o.occurred_at, a.customer_id,
            o.kind = 'clicked' and (
                o.occurred_at < min(o.occurred_at) filter (where o.kind = 'delivered') over of_message
                    + make_interval(secs => :seconds)
                or count(*) filter (where o.kind = 'clicked') over at_once > 1
            ) as by_machine
        from outcome o
        join message a using (message_id)
        where a.run_id = :run_id and o.recorded_at <= :known
        window of_message as (partition by o.message_id),
            at_once as (
                partition by o.message_id, o.kind order by o.occurred_at
                range between make_interval(secs => :burst) preceding and make_interval(secs => :burst) following
            )
    ) t
    group by t.message_id
) o using (message_id)
left join (
    select message_id, sum(orders)::int as orders, sum(sold_cents)::bigint as sold_cents,
        sum(returned_cents)::bigint as returned_cents
    from credit
    where run_id = :run_id and known_at <= :known
    group by message_id
) c using (message_id)
where m.run_id = :run_id
