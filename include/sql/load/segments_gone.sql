-- Who no longer stands anywhere, for being gone from the shop's data?
delete from segment s
where not exists (select from incoming_segment i where i.customer_id = s.customer_id)
