-- What are the marks of the customers of an earlier snapshot, to be matched with suppressions?
update pg_temp.customer
set email_mark = mark(email_value(email), :inner_pad, :outer_pad),
    phone_mark = mark('phone:' || phone, :inner_pad, :outer_pad),
    letter_mark = mark(box_value(first_name, last_name, street, postcode), :inner_pad, :outer_pad),
    person_mark = mark(person_value(first_name, last_name, email), :inner_pad, :outer_pad),
    mark_key = :mark_key
