-- Which channels may this customer be reached by today as far as consent goes, until when, and why must an address or a
-- number of theirs not be used?
select w.channel, consent_rule(w.channel, k.status, k.recorded_on, k.valid_until, :on, :call_days) is null as allowed,
    case when w.channel = 'call' then least(k.valid_until, k.recorded_on + :call_days) else k.valid_until end as valid_until,
    s.reasons
from unnest(cast(:channels as text[])) as w (channel)
left join customer c on c.customer_id = :customer_id
left join lateral last_word(:customer_id, w.channel, :end_of_day, true, :zone) k on true
left join lateral (
    select coalesce(array_agg(reason), '{}') as reasons
    from suppression
    where channel = w.channel and lifted_at is null and mark = case w.channel
        when 'letter' then c.letter_mark when 'email' then c.email_mark else c.phone_mark
    end
) s on true
