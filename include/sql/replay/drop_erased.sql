-- What would those get now who were erased? It is not asked: they are decided about no more.
delete from planned_message p
using public.hold h
where h.customer_id = p.customer_id and h.reason = 'erased'
