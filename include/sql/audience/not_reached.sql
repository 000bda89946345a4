-- Whom did this campaign not reach, so many days ago, and has its follow-up not written to since?
-- The last message that it has for a customer counts, and whether the provider, the post or the desk has said since that
-- it came to nothing. Somebody who complained was reached. What is in doubt, may still leave or was cancelled is left
-- alone; what the follow-up has tried, whatever came of it, is not tried again, nor is a letter box that it has served.
with last_message as (
    select distinct on (m.customer_id) m.customer_id, m.message_id, m.state, m.reason, r.on_date
    from run r
    join message m using (run_id)
    where r.campaign = :campaign
        and r.on_date between cast(:on as date) - cast(:after_days as int) - 30 and cast(:on as date)
    order by m.customer_id, r.on_date desc, r.number desc, m.channel
), told as (
    select l.customer_id, l.on_date, l.state,
        max(o.occurred_at) filter (
            where o.kind in (
                'hard_bounce', 'dropped', 'blocked', 'spoiled', 'not_mailed', 'returned', 'not_reached', 'released'
            )
        ) as failed_at,
        max(o.occurred_at) filter (
            where o.kind in ('delivered', 'printed', 'mailed', 'reached', 'complaint', 'unsubscribed')
        ) as reached_at
    from last_message l
    left join outcome o using (message_id)
    where (l.state in ('refused', 'accepted') or l.reason = 'released')
        and l.on_date <= cast(:on as date) - cast(:after_days as int)
    group by l.customer_id, l.on_date, l.state
)
select t.customer_id
from told t
where (t.state = 'refused' or t.failed_at is not null)
    and (t.reached_at is null or t.reached_at < t.failed_at)
    and not exists (
        select
        from run f
        where f.campaign = :campaign || '_then' and f.on_date >= t.on_date and (
            exists (
                select from message n
                where n.run_id = f.run_id and n.customer_id = t.customer_id and n.state <> 'cancelled'
            )
            or exists (
                select from exclusion e
                where e.run_id = f.run_id and e.customer_id = t.customer_id and e.rule = 'household_served'
            )
        )
    )
