-- Who has told us on the phone, within so many days, the reason that this campaign answers, and has had no answer since?
-- What was told today is answered tomorrow. Whoever complained, or took consent back, meets the rules of every campaign.
select distinct o.customer_id
from targeted_offer o
where o.campaign = :campaign
    and o.queued_at < cast(:on as date) and o.queued_at >= cast(:on as date) - cast(:within_days as int)
    and not exists (
        select
        from run r
        join message m using (run_id)
        where r.campaign = o.campaign and m.customer_id = o.customer_id and m.state <> 'cancelled'
            and r.on_date >= cast(o.queued_at as date) and r.on_date < cast(:on as date)
    )
