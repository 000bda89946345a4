-- What did the last runs do with this customer? `outside` stands for those whose audience did not hold her.
select r.run_id, r.on_date, r.settings -> 'title' as title,
    case
        when m.run_id is not null then 'message'
        when h.run_id is not null then 'held_out'
        when x.run_id is not null then 'excluded'
        else 'outside'
    end as became,
    x.rule
from (select run_id, on_date, settings, number from run order by number desc limit :most) r
left join (select distinct run_id from message where customer_id = :customer_id) m using (run_id)
left join holdout h on h.run_id = r.run_id and h.customer_id = :customer_id
left join exclusion x on x.run_id = r.run_id and x.customer_id = :customer_id
order by r.number desc
