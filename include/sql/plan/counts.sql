-- Do the plan's parts add up to its audience, and what do its messages cost?
select
    (select count(*) from considered) as audience,
    count(*) filter (where d.verdict = 'planned') as planned,
    count(*) filter (where d.verdict in ('holdout', 'shop_holdout')) as held_out,
    (select count(*) from considered) - count(*) filter (where d.verdict <> 'excluded') as excluded,
    coalesce(sum(d.cost_micros) filter (where d.verdict = 'planned'), 0)::bigint as cost_micros
from decision d
