-- Who takes the way of this preference? Everyone without a seat to whom it is open: one letter a household and one
-- e-mail a person (two people who share an address are two). Of those who share, the best customer has the seat, and
-- the others are told who; they try their next way. The holdout and the arm of a test are salted draws, each apart.
insert into seat (
    customer_id, channel, preference, box, host, arm, segment, language, lifetime_cents, won_back_cents, last_day,
    template, cost_micros, draw, shop_draw
)
with open_way as (
    select c.*, w.channel,
        coalesce(
            case w.channel when 'letter' then c.household when 'email' then c.person end,
            'customer ' || c.customer_id
        ) as box,
        case when cardinality(cast(:arms as text[])) = 1 then ''
            else (cast(:arms as text[]))[1 + width_bucket(
                draw(:seed || ':' || :campaign || '/arm/' || c.customer_id), cast(:arm_bounds as float[])
            )]
        end as arm
    from considered c
    join way w using (segment)
    where w.preference = :preference and c.barred is null
        and case w.channel when 'letter' then c.letter when 'email' then c.email else c.call end is null
        and (:preference = 0 or not exists (
            select from seat s where s.customer_id = c.customer_id and s.host is null
        ))
), ranked as (
    select *, first_value(customer_id) over (
        partition by channel, box order by lifetime_cents desc, last_day desc, customer_id
    ) as best
    from open_way
)
select r.customer_id, r.channel, :preference, r.box, coalesce(t.customer_id, nullif(r.best, r.customer_id)), r.arm,
    r.segment, r.language, r.lifetime_cents, r.won_back_cents, r.last_day, y.template, p.cost_micros,
    draw(:seed || ':' || :campaign || ':' || r.customer_id), g.draw
from ranked r
join wording y on y.segment = r.segment and y.channel = r.channel and y.arm = r.arm
join price p on p.channel = r.channel and p.template = y.template and p.language = r.language
    and p.segment = r.segment
left join shop_holdout g on g.year = :year and g.customer_id = r.customer_id
left join seat t on :preference > 0 and t.channel = r.channel and t.box = r.box and t.host is null
