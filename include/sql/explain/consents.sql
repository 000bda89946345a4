-- What has this customer said last of each channel, and what does it mean for messages of this day?
select w.channel, k.status, k.basis, k.source, k.recorded_at,
    case w.channel
        when 'call' then least(k.valid_until, (k.recorded_at at time zone :zone)::date + :call_days) else k.valid_until
    end as valid_until,
    consent_rule(
        w.channel, k.status, (k.recorded_at at time zone :zone)::date, k.valid_until, :on, :call_days
    ) as rule
from unnest(cast(:channels as text[])) with ordinality as w (channel, place)
left join lateral (
    select *
    from consent k
    where k.customer_id = :customer_id and k.channel = w.channel and k.purpose = 'marketing'
        and k.recorded_at < :end_of_day
    order by k.recorded_at desc, k.status desc
    limit 1
) k on true
order by w.place
