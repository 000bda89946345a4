-- From which day on may a purchase still be credited, or what was credited change? Null: no run is that young.
select min(on_date)
from run
where on_date + greatest(response_days(settings), offer_days(settings)) + :return_days >= cast(:on as date)
    and on_date <= cast(:on as date)
