-- Who gets what, in which order (letters as the post sorts them, calls by what winning the customer back may bring, else
-- by worth), in which shard? Ids and codes are salted with a secret, so that nobody can work out another customer's, and
-- are the same whenever it is planned again.
create temp table planned_message on commit drop as
with ordered as (
    select d.*, row_number() over (
            order by a.country collate "C", a.postcode collate "C", bare(a.city),
                regexp_replace(bare(a.street), '^[0-9]+', ''), cast(substring(a.street from '^ *([0-9]{1,6})') as int),
                a.street collate "C", d.customer_id collate "C"
        ) as position
    from decision d
    join customer a using (customer_id)
    where d.verdict = 'planned' and d.channel = 'letter'
    union all
    select *, row_number() over (order by customer_id)
    from decision
    where verdict = 'planned' and channel = 'email'
    union all
    select *, row_number() over (order by won_back_cents desc nulls last, lifetime_cents desc, last_day desc, customer_id)
    from decision
    where verdict = 'planned' and channel = 'call'
), part as (
    select channel, count(*) as total, least(most, ceil(count(*) / size::numeric))::int as shards
    from decision join shard_size using (channel)
    where verdict = 'planned'
    group by channel, size, most
)
select md5(:salt || o.channel || ':' || o.customer_id)::uuid as message_id, o.customer_id, o.channel, o.segment,
    o.language, o.template, o.arm,
    upper(translate(
        substr(md5(:salt || o.channel || ':' || o.customer_id), 1, 10), '0123456789abcdef', 'acdefghjkmnprtwx'
    )) as offer_code, -- no letter that can be misread
    o.cost_micros,
    1 + (o.position - 1) / ceil(p.total / p.shards::numeric)::int as shard, -- as even as can be, in order
    o.position
from ordered o
join part p using (channel)
