-- Who takes the way of this preference? Everyone without a seat to whom it is open: one letter a household and one
-- e-mail a person (two people who share an address are two). Of those who share, the best customer has the seat, and
-- the others are told who; they try their next way.
insert into seat (customer_id, channel, preference, box, host)
with open_way as (
    select c.customer_id, c.lifetime_cents, c.last_day, w.channel,
        coalesce(
            case w.channel when 'letter' then c.household when 'email' then encode(c.person_mark, 'hex') end,
            'customer ' || c.customer_id
        ) as box
    from considered c
    join way w using (segment)
    where w.preference = :preference and c.barred is null
        and case w.channel when 'letter' then c.letter when 'email' then c.email else c.call end is null
        and not exists (select from seat s where s.customer_id = c.customer_id and s.host is null)
), ranked as (
    select *, first_value(customer_id) over (
        partition by channel, box order by lifetime_cents desc, last_day desc, customer_id
    ) as best
    from open_way
)
select r.customer_id, r.channel, :preference, r.box,
    coalesce(t.customer_id, nullif(r.best, r.customer_id))
from ranked r
left join seat t on t.channel = r.channel and t.box = r.box and t.host is null
