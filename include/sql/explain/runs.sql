-- Which runs were there lately, newest first, and did they leave this customer out or hold them out?
select r.run_id, r.campaign, r.on_date, r.snapshot_id, r.settings,
    r.shop -> 'holdout' ->> 'share' as shop_share, w.language as wished_language,
    e.rule, e.value, h.channel as held_channel, h.draw, h.scope
from run r
left join exclusion e on e.run_id = r.run_id and e.customer_id = :customer_id
left join holdout h on h.run_id = r.run_id and h.customer_id = :customer_id
left join lateral (
    select case when r.shop -> 'languages' ? language then language end as language
    from preference
    where customer_id = :customer_id and since <= r.planned_at
    order by preference_id desc
    limit 1
) w on true
where (cast(:run_id as text) is null and r.on_date between :since and :on) or r.run_id = :run_id
order by r.on_date desc, r.number desc
limit :most
