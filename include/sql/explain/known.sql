-- Does the house know this customer at all?
select exists (select from customer where customer_id = :customer_id)
    or exists (select from message where customer_id = :customer_id)
    or exists (select from consent where customer_id = :customer_id) as known
