-- What may each group's customers bring, how likely are they customers still, and whom should one worry about?
select segment, count(*) as customers, count(worth_cents) as valued, count(alive) as judged,
    coalesce(avg(alive), 0)::float as alive,
    coalesce(sum(worth_cents), 0)::bigint as worth_cents,
    coalesce(sum(won_back_cents), 0)::bigint as won_back_cents,
    count(*) filter (where alive < :below and segment in ('regular_heavy', 'regular_light')) as cooling
from segment s
join customer c using (customer_id)
where c.gone is null
group by segment
order by segment
