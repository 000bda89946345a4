-- On which days of the shop were complaints recorded, and how many?
select (opened_at at time zone :zone)::date as day, count(*) as complaints
from hold
where reason = 'complaint' and (opened_at at time zone :zone)::date <= :on
group by 1
