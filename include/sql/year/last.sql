-- What did the last customer base tell of the period?
select held, customers, buyers, orders, orders_squares, sold_cents, returned_cents, squares, spent_micros, until, closed,
    gross
from year_response
where period_id = :period_id
    and snapshot_id = (select max(snapshot_id) from year_response where period_id = :period_id)
order by held
