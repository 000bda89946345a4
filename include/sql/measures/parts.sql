-- How many of each run's are each group's, channel's, text's and arm's of these messages?
select run_id, segment, channel, template, arm,
    count(*) as planned,
    count(*) filter (where sent) as sent,
    count(*) filter (where in_doubt) as in_doubt,
    count(*) filter (where refused) as refused,
    count(*) filter (where cancelled) as cancelled,
    count(*) filter (where waiting) as waiting,
    count(*) filter (where delivered) as delivered,
    count(*) filter (where returned) as returned,
    count(*) filter (where human_click) as human_clicks,
    count(*) filter (where machine_click) as machine_clicks,
    count(*) filter (where opened) as opens,
    count(*) filter (where unsubscribed) as unsubscribes,
    count(*) filter (where complained) as complaints,
    count(*) filter (where reached) as reached,
    count(*) filter (where responded) as responses,
    sum(orders)::bigint as orders,
    sum(revenue_cents)::bigint as revenue_cents,
    sum(cost_micros)::bigint as cost_micros
from measured
group by run_id, segment, channel, template, arm
order by run_id, segment, channel, template, arm
