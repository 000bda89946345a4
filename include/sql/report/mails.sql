-- Which mails went into the outbox on this date, to whom? What a provider took lies nowhere here.
select m.message_id, m.segment, m.language, r.campaign, c.first_name, c.last_name, c.email
from message m
join run r using (run_id)
join customer c using (customer_id)
where r.on_date = :on and m.channel = 'email' and m.state = 'accepted'
    and m.provider_id = m.message_id || '.eml'
    and not exists (select from hold h where h.customer_id = m.customer_id and h.reason = 'erased')
order by r.campaign, m.position
