-- Which customers are no longer in the shop's data? They keep their history and are written to no more.
update customer c
set gone = :snapshot_id
where c.gone is null and not exists (select from incoming_customer i where i.customer_id = c.customer_id)
