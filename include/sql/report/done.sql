-- What has been done for this date so far, and how often was it tried?
select r.run_id, m.state, m.attempt, count(*) as messages
from run r
join message m using (run_id)
where r.on_date = :on
group by r.run_id, m.state, m.attempt
order by r.run_id, m.state, m.attempt
