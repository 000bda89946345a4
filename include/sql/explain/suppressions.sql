-- Which of this customer's addresses and numbers must not be used again, and why?
select s.channel, s.reason, s.recorded_at, s.source
from customer c
join suppression s on s.lifted_at is null and s.mark = case s.channel
    when 'letter' then c.letter_mark when 'email' then c.email_mark else c.phone_mark
end
where c.customer_id = :customer_id
order by s.channel, s.recorded_at, s.reason
