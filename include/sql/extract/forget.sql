-- What is staged of those who were erased? Their number, under which their purchases go on counting, and nothing else.
UPDATE lines
SET civility = NULL, first_name = NULL, last_name = NULL, birth_date = NULL, language = NULL, email = NULL, phone = NULL,
  street = NULL, address_extra = NULL, postcode = NULL, city = NULL, country = NULL, created_on = NULL, deceased_on = NULL
WHERE tidy(customer_id) IN (SELECT customer_id FROM erased)
