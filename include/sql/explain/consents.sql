-- What has this customer said last of each channel, and what does it mean for messages of this day?
select w.channel, k.status, k.basis, k.source, k.recorded_at,
    case w.channel
        when 'call' then least(k.valid_until, k.recorded_on + :call_days) else k.valid_until
    end as valid_until,
    consent_rule(
        w.channel, k.status, k.recorded_on, k.valid_until, :on, :call_days
    ) as rule
from unnest(cast(:channels as text[])) with ordinality as w (channel, place)
left join lateral last_word(:customer_id, w.channel, :end_of_day, false, :zone) k on true
order by w.place
