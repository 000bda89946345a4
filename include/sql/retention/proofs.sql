-- Which proofs of consent of people who were erased are past their period? They go.
delete from consent c
using hold h
where h.customer_id = c.customer_id and h.reason = 'erased' and h.closed_at is null
    and (c.recorded_at at time zone :zone)::date + make_interval(
        years => case c.channel when 'letter' then :letter when 'email' then :email else :call end
    ) <= :on
