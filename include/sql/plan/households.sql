-- Which letters would be a second one to the same letter box? The household's best customer gets it.
with first_choice as (
    select distinct on (customer_id) customer_id, channel, preference
    from candidate
    where rule is null
    order by customer_id, preference
), ranked as (
    select f.customer_id, f.preference,
        row_number() over (partition by a.household order by a.lifetime_cents desc, a.customer_id) as place
    from first_choice f
    join audience a using (customer_id)
    where f.channel = 'letter' and a.household is not null
)
update candidate c
set rule = 'household_served'
from ranked r
where r.customer_id = c.customer_id and r.preference = c.preference and r.place > 1
