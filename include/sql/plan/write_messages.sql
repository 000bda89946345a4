-- The ledger's rows: who gets what, in which order (letters as the post sorts them, calls by worth), in which shard?
-- Ids and codes are salted with a secret, so that nobody can work out another customer's.
insert into message (message_id, run_id, customer_id, channel, segment, language, template, offer_code, shard, position, state)
with ordered as (
    select c.customer_id, c.channel, c.segment, c.language, c.template,
        md5(:salt || c.channel || ':' || c.customer_id) as id,
        row_number() over (
            partition by c.channel
            order by
                case when c.channel = 'letter' then a.country end,
                case when c.channel = 'letter' then a.postcode end,
                case when c.channel = 'letter' then a.city end,
                case when c.channel = 'letter' then a.street end,
                case when c.channel = 'call' then c.worth end,
                c.customer_id
        ) as position,
        count(*) over (partition by c.channel) as total
    from choice c
    join audience a using (customer_id)
    where c.rule is null
)
select o.id::uuid, :run_id, o.customer_id, o.channel, o.segment, o.language, o.template,
    upper(translate(substr(o.id, 1, 10), '0123456789abcdef', 'acdefghjkmnprtwx')), -- no letter that can be misread
    1 + (o.position - 1) / ceil(o.total / s.shards::numeric)::int, -- as even as can be, in print order
    o.position,
    'planned'
from ordered o
join (
    select distinct channel, least(:most_shards, ceil(total / size::numeric))::int as shards
    from ordered join shard_size using (channel)
) s using (channel)
