-- Which way is taken for each customer: the first open one, if any, with calls cut at the desk's capacity and the
-- holdout drawn last? The draw is a salted hash of seed, campaign and customer: the same at every retry.
create temp table choice on commit drop as
with first_open as (
    select distinct on (customer_id) customer_id, channel, template
    from candidate
    where rule is null
    order by customer_id, preference
), ranked as (
    select f.*, a.segment, a.language,
        row_number() over (
            partition by f.channel order by a.lifetime_cents desc, a.last_day desc, f.customer_id
        ) as worth,
        ('x' || substr(md5(:seed || ':' || :campaign || ':' || f.customer_id), 1, 8))::bit(32)::bigint / 4294967296.0 as draw
    from first_open f
    join audience a using (customer_id)
)
select *,
    case
        when channel = 'call' and worth > :capacity then 'over_capacity'
        when draw < :holdout then 'holdout'
    end as rule
from ranked
