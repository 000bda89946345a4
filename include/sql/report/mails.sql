-- Which mails went out on this date, to whom?
select m.message_id, m.segment, m.language, r.campaign, c.first_name, c.last_name, c.email
from message m
join run r using (run_id)
join customer c using (customer_id)
where r.on_date = :on and m.channel = 'email' and m.state = 'accepted'
order by r.campaign, m.position
