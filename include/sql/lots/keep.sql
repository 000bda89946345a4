-- Which lot has the print shop, since when and under which name? Said again, the first time counts.
insert into lot (lot_id, run_id, number, made_at, pdf_sha256, handed_over_at, handed_over_to, provider_id)
values (:lot_id, :run_id, :number, :at, :pdf_sha256, :at, :address, :provider_id)
on conflict (lot_id) do update
set pdf_sha256 = excluded.pdf_sha256,
    handed_over_at = coalesce(lot.handed_over_at, excluded.handed_over_at),
    handed_over_to = excluded.handed_over_to,
    provider_id = excluded.provider_id
