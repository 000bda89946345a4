-- What has followed in these days by rule: offers for a reason, messages of follow-ups, messages stopped by a purchase?
select 'reason' as rule, campaign, count(*)::int as times
from targeted_offer
where queued_at >= :first and queued_at < :next
group by campaign
union all
select 'then', left(r.campaign, -5), count(*)::int
from run r
join message m using (run_id)
where r.on_date between :first_day and :last_day and r.campaign like '%\_then'
group by 2
union all
select 'purchase', r.campaign, count(*)::int
from run r
join message m using (run_id)
where r.on_date between :first_day and :last_day and m.state = 'cancelled' and m.reason = 'bought_since'
group by 2
union all
select 'complaint', '', count(*)::int
from hold
where reason = 'complaint' and closed_at is null
