-- Which proofs of agreed moments of people who were erased are past their period? They go.
delete from call_slot s
using hold h
where h.customer_id = s.customer_id and h.reason = 'erased' and h.closed_at is null
    and (s.agreed_at at time zone :zone)::date + make_interval(years => :call) <= :on
