-- How far has each of these runs come with each group, by channel and arm: from its audience to what came of each message?
-- Whom it left out has no channel, and the held out have no arm. The last word of provider, post and desk counts.
with heard as materialized ( -- once, not once for each of several workers
    select m.message_id,
        max(o.occurred_at) filter (
            where o.kind in ('hard_bounce', 'dropped', 'blocked', 'spoiled', 'not_mailed', 'returned', 'not_reached')
        ) as failed_at,
        max(o.occurred_at) filter (
            where o.kind in (
                'delivered', 'printed', 'mailed', 'reached', 'opened', 'machine_opened', 'clicked', 'complaint',
                'unsubscribed'
            )
        ) as arrived_at,
        bool_or(o.kind in ('opened', 'clicked')) as opened,
        bool_or(o.kind = 'clicked') as clicked,
        bool_or(o.kind in ('complaint', 'unsubscribed')) as objected
    from message m
    join outcome o using (message_id)
    where m.run_id = any(cast(:run_ids as text[]))
    group by m.message_id
), told as (
    select m.run_id, m.segment, m.channel, coalesce(m.arm, '') as arm, m.state, m.cost_micros,
        case
            when m.state <> 'accepted' then ''
            when h.failed_at is not null and (h.arrived_at is null or h.arrived_at < h.failed_at) then 'failed'
            when h.arrived_at is not null then 'arrived'
            else 'no_news'
        end as came,
        coalesce(h.opened, false) as opened, coalesce(h.clicked, false) as clicked,
        coalesce(h.objected, false) as objected
    from message m
    left join heard h using (message_id)
    where m.run_id = any(cast(:run_ids as text[]))
), part as (
    select run_id, segment, channel, arm, 0 as held_out, 0 as excluded,
        count(*) as planned,
        count(*) filter (where state = 'planned') as waiting,
        count(*) filter (where state = 'claimed') as in_hand,
        count(*) filter (where state = 'cancelled') as cancelled,
        count(*) filter (where state = 'refused') as refused,
        count(*) filter (where state = 'unknown') as unknown,
        count(*) filter (where state = 'accepted') as accepted,
        count(*) filter (where came = 'no_news') as no_news,
        count(*) filter (where came = 'failed') as failed,
        count(*) filter (where came = 'arrived') as arrived,
        count(*) filter (where came = 'arrived' and opened) as opened,
        count(*) filter (where came = 'arrived' and clicked) as clicked,
        count(*) filter (where came = 'arrived' and objected) as objected,
        sum(cost_micros)::bigint as cost_micros,
        coalesce(sum(cost_micros) filter (where state in ('accepted', 'unknown')), 0)::bigint as spent_micros
    from told
    group by run_id, segment, channel, arm
    union all
    select run_id, segment, channel, '', count(*), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from holdout
    where run_id = any(cast(:run_ids as text[]))
    group by run_id, segment, channel
    union all
    select run_id, segment, '', '', 0, count(*), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from exclusion
    where run_id = any(cast(:run_ids as text[]))
    group by run_id, segment
)
select run_id, segment, channel, arm,
    sum(held_out)::int as held_out, sum(excluded)::int as excluded, sum(planned)::int as planned,
    sum(waiting)::int as waiting, sum(in_hand)::int as in_hand, sum(cancelled)::int as cancelled,
    sum(refused)::int as refused, sum(unknown)::int as unknown, sum(accepted)::int as accepted,
    sum(no_news)::int as no_news, sum(failed)::int as failed, sum(arrived)::int as arrived,
    sum(opened)::int as opened, sum(clicked)::int as clicked, sum(objected)::int as objected,
    sum(cost_micros)::bigint as cost_micros, sum(spent_micros)::bigint as spent_micros
from part
group by run_id, segment, channel, arm
order by run_id, segment, channel, arm
