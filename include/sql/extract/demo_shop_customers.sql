-- The demonstration shop: who are the customers?
SELECT
  id_client AS customer_id,
  CASE civilite WHEN 'M.' THEN 'M' WHEN 'Mme' THEN 'MME' ELSE civilite END AS civility,
  prenom AS first_name,
  nom AS last_name,
  iso_day(date_naissance) AS birth_date,
  langue AS language,
  courriel AS email,
  telephone AS phone,
  adresse AS street,
  complement AS address_extra,
  code_postal AS postcode,
  ville AS city,
  pays AS country,
  iso_day(cree_le) AS created_on,
  iso_day(decede_le) AS deceased_on
FROM clients
