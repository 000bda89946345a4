-- Who gets what, in which order (letters as the post sorts them, calls by worth), in which shard? Ids and codes are
-- salted with a secret, so that nobody can work out another customer's, and are the same whenever it is planned again.
create temp table planned_message on commit drop as
with ordered as (
    select d.customer_id, d.channel, d.segment, d.language, d.template, d.arm, d.cost_micros,
        md5(:salt || d.channel || ':' || d.customer_id) as id,
        row_number() over (
            partition by d.channel
            order by
                a.country, a.postcode, a.city, a.street,
                case when d.channel = 'call' then d.lifetime_cents end desc,
                case when d.channel = 'call' then d.last_day end desc,
                d.customer_id
        ) as position
    from decision d
    left join customer a on d.channel = 'letter' and a.customer_id = d.customer_id
    where d.verdict = 'planned'
), part as (
    select channel, count(*) as total, least(:most_shards, ceil(count(*) / size::numeric))::int as shards
    from decision join shard_size using (channel)
    where verdict = 'planned'
    group by channel, size
)
select o.id::uuid as message_id, o.customer_id, o.channel, o.segment, o.language, o.template, o.arm,
    upper(translate(substr(o.id, 1, 10), '0123456789abcdef', 'acdefghjkmnprtwx')) as offer_code, -- none to misread
    o.cost_micros,
    1 + (o.position - 1) / ceil(p.total / p.shards::numeric)::int as shard, -- as even as can be, in order
    o.position
from ordered o
join part p using (channel)
