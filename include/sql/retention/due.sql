-- Who has not stirred for longer than they may be kept, by which rule? An act of their own counts: a purchase, joining,
-- consent given or taken back, a call that was spoken, a click, a reply, a complaint. That a mail was opened does not.
create temp table due on commit drop as
with said as (
    select customer_id, max(at) as at
    from (select customer_id, recorded_at from consent union all select customer_id, since from preference) s (customer_id, at)
    group by customer_id
), answered as (
    select m.customer_id, max(o.occurred_at) as at
    from outcome o
    join message m using (message_id)
    where o.kind in ('unsubscribed', 'complaint', 'reached', 'clicked', 'replied')
    group by m.customer_id
), stirred as (
    select c.customer_id, case when s.last_day is null then 'prospect' else 'customer' end as rule,
        greatest(
            s.last_day, c.created_on, (said.at at time zone :zone)::date, (answered.at at time zone :zone)::date
        ) as last_act
    from customer c
    left join segment s using (customer_id)
    left join said using (customer_id)
    left join answered using (customer_id)
), open_holds as (
    select customer_id, bool_or(reason = 'erased') as erased, bool_or(reason not in ('erased', 'deceased')) as pending
    from hold
    where closed_at is null
    group by customer_id
)
select t.customer_id, t.rule,
    case
        when t.last_act is null then 'undated'
        when t.last_act + make_interval(
            years => case t.rule when 'customer' then :customer_years else :prospect_years end
        ) > :on then 'kept'
        when coalesce(h.pending, false) then 'pending'
        else 'due'
    end as verdict
from stirred t
left join open_holds h using (customer_id)
where not coalesce(h.erased, false)
