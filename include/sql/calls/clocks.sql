-- Under which laws and by which clocks do those live who are still to be called?
select distinct law, timezone
from call_line
where status = 'open' and law is not null and timezone is not null
