-- Which complaints were recorded in the period, and are they settled?
select customer_id, (opened_at at time zone :zone)::date as opened, (closed_at at time zone :zone)::date as closed
from hold
where reason = 'complaint' and (opened_at at time zone :zone)::date > :starts
    and (opened_at at time zone :zone)::date <= :ends
order by opened, customer_id
