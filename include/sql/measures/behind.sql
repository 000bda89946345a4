-- Which messages stand behind a figure, from one id on, or up to one?
select message_id, customer_id, segment, channel, template, arm, state, orders, sold_cents, returned_cents, cost_micros
from measured
where (:segment = '' or segment = :segment) and (:channel = '' or channel = :channel)
    and (:template = '' or template = :template) and (not :of_arm or arm = :arm)
    and message_id > :after and (cast(:before as uuid) is null or message_id < :before)
    and case :measure
        when 'planned' then true
        when 'sent' then sent
        when 'in_doubt' then in_doubt
        when 'refused' then refused
        when 'cancelled' then cancelled
        when 'waiting' then waiting
        when 'delivered' then delivered
        when 'returned' then returned
        when 'human_clicks' then human_click
        when 'machine_clicks' then machine_click
        when 'opens' then opened
        when 'unsubscribes' then unsubscribed
        when 'complaints' then complained
        when 'reached' then reached
        when 'responses' then responded
        when 'orders' then orders <> 0
        when 'revenue_cents' then revenue_cents <> 0
        when 'cost_micros' then cost_micros <> 0
    end
order by case when cast(:before as uuid) is not null then message_id end desc, message_id
limit :most
