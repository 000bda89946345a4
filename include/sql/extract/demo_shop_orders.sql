-- The demonstration shop: what was bought and brought back, line by line? A date or an amount that can't be read is NULL.
SELECT
  no_commande AS order_id,
  no_ligne AS line_number,
  id_client AS customer_id,
  as_moment(date_heure) AS ordered_at,
  reference AS product_code,
  libelle AS product_name,
  CAST(as_number(quantite) AS DOUBLE) AS quantity,
  CAST(round(as_number(montant) * 100) AS BIGINT) AS amount_cents,
  code_avantage AS offer_code,
  CASE WHEN id_client IS NULL THEN 'no_customer'
       WHEN list_contains($not_products, reference) THEN 'not_a_product' END AS left_out
FROM commandes
