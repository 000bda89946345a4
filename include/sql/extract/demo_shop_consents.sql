-- The demonstration shop: who allowed or refused what, when, on what ground? Words that are not known stay as they are.
SELECT
  id_client AS customer_id,
  CASE canal WHEN 'courrier' THEN 'letter' WHEN 'courriel' THEN 'email' WHEN 'appel' THEN 'call' ELSE canal END AS channel,
  CASE objet WHEN 'prospection' THEN 'marketing' ELSE objet END AS purpose,
  CASE statut WHEN 'accordé' THEN 'granted' WHEN 'refusé' THEN 'refused' WHEN 'retiré' THEN 'withdrawn' ELSE statut END
    AS status,
  CASE base WHEN 'client existant' THEN 'soft_opt_in' WHEN 'consentement' THEN 'consent' ELSE base END AS basis,
  iso_moment(date_heure) AS recorded_at,
  iso_day(valable_jusqu_au) AS valid_until,
  origine AS source,
  version_texte AS wording_version
FROM consentements
