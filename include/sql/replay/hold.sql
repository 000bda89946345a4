-- Which holds were open then?
create temp view hold as
select h.hold_id, h.customer_id, h.reason, h.opened_at, h.opened_by, cast(null as timestamptz) as closed_at,
    cast(null as text) as closed_by
from public.hold h, replayed p
where h.opened_at <= p.planned_at and (h.closed_at is null or h.closed_at > p.planned_at)
