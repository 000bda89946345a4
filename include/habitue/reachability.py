"""What a batch of customers becomes when every name, e-mail, telephone and address has been looked at.

Works column by column on Arrow batches: `habitue.contacts` decides, this module carries. The rows stay as many and in
the same order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from habitue import addresses, contacts

if TYPE_CHECKING:
    import pyarrow as pa

    from habitue.shop import Shop

COLUMNS = (
    "civility_code",
    "usable_first",
    "usable_last",
    "first_rule",
    "last_rule",
    "language_code",
    "language_rule",
    "usable_email",
    "email_rule",
    "usable_phone",
    "phone_region",
    "phone_rule",
    "time_zone",
    "usable_postcode",
    "country_code",
    "address_rule",
    "closed_letter",
    "closed_email",
    "closed_call",
)
UNCLEAR = "unclear_objection"
Row = Mapping[str, Any]


def look_at(batch: pa.RecordBatch, shop: Shop, objections: Mapping[str, frozenset[str]]) -> pa.RecordBatch:
    """The batch with COLUMNS beside its own, each text or null.

    `batch` has the columns of include/sql/validate/customer_rows.sql. `objections` gives, by customer, the channels
    on which a row in quarantine may have objected.
    """
    import pyarrow as pa

    asked = [name for name in batch.schema.names if name not in ("row", "birth_date", "created_on", "deceased_on")]
    values = {name: batch.column(name).to_pylist() for name in asked}
    found: dict[str, list[str | None]] = {name: [] for name in COLUMNS}
    for row in range(batch.num_rows):
        _look_at_one({name: column[row] for name, column in values.items()}, shop, objections, found)
    for name in COLUMNS:
        batch = batch.append_column(name, pa.array(found[name], pa.string()))
    return batch


def _look_at_one(
    row: Row, shop: Shop, objections: Mapping[str, frozenset[str]], found: dict[str, list[str | None]]
) -> None:
    code = contacts.country(row["country"] or shop.country)
    postcode = contacts.postcode(row["postcode"], code)
    place = contacts.territory(code or shop.country, postcode)
    civility = contacts.civility(row["civility"])
    first_rule, last_rule = contacts.name_rule(row["first_name"]), contacts.name_rule(row["last_name"])
    first, last = contacts.usable_name(civility, row["first_name"], row["last_name"], first_rule, last_rule)
    email, email_rule = contacts.check_email(row["email"])
    phone, region, phone_rule = contacts.check_phone(row["phone"], place)
    language = contacts.language(row["language"])
    known = language in shop.languages
    closed = objections.get(row["customer_id"] or "", frozenset())
    values = (
        civility,
        first,
        last,
        first_rule,
        last_rule,
        language if known else shop.language,
        None if known or row["language"] is None else "unknown_language",
        email,
        email_rule,
        phone,
        region,
        phone_rule,
        contacts.time_zone(place, postcode, phone, region),
        postcode,
        code,
        _address_rule(row, civility, first, last, postcode, code),
        *(UNCLEAR if channel in closed else None for channel in ("letter", "email", "call")),
    )
    for name, value in zip(COLUMNS, values, strict=True):
        found[name].append(value)


def _address_rule(
    row: Row, civility: str | None, first: str | None, last: str | None, postcode: str | None, code: str | None
) -> str | None:
    """Why no letter can be addressed here. Someone without a usable name is looked at as if there were one."""
    if not (row["street"] or row["address_extra"] or postcode or row["city"]):
        return "no_address"
    if code is None:
        return "unknown_country"
    if row["has_plain_address"] and code == "FR":
        return None
    lines = (row["address_extra"], row["street"], postcode, row["city"], code)
    return addresses.address_problem(civility, first, last or "X", *lines, language="fr")
