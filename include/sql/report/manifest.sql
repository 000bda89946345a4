-- Which letters went to the print shop on this date, in which file, at which page?
select m.message_id, m.run_id, m.position, m.provider_id as lot, m.first_page, m.pages, m.template, m.language, m.segment,
    exists (select from hold h where h.customer_id = m.customer_id and h.reason = 'erased') as erased,
    c.civility, c.first_name, c.last_name, c.street, c.address_extra, c.postcode, c.city, c.country
from message m
join run r using (run_id)
join customer c using (customer_id)
where r.on_date = :on and m.channel = 'letter' and m.state = 'accepted'
order by m.provider_id, m.first_page
