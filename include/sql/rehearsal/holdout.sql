-- Whom would the run hold out, as the base would keep it?
create temp view holdout as
select r.run_id, d.customer_id, d.segment, d.channel, d.draw,
    case d.verdict when 'holdout' then 'campaign' else 'shop' end as scope
from decision d
cross join rehearsed r
where d.verdict in ('holdout', 'shop_holdout')
