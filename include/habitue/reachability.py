"""What a batch of customers becomes when every name, e-mail, telephone and address has been looked at.

Works column by column on Arrow batches: `habitue.contacts` decides, this module carries. The rows stay as many and in
the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
ASKED = (
    "customer_id",
    "civility",
    "first_name",
    "last_name",
    "language",
    "email",
    "phone",
    "street",
    "address_extra",
    "postcode",
    "city",
    "country",
    "has_plain_address",
)
UNCLEAR = "unclear_objection"
NONE_CLOSED = (None, None, None)


def look_at(batch: pa.RecordBatch, shop: Shop, objections: Mapping[str, frozenset[str]]) -> pa.RecordBatch:
    """The batch with COLUMNS beside its own, each text or null.

    `batch` has the columns of include/sql/validate/customer_rows.sql. `objections` gives, by customer, the channels
    on which a row in quarantine may have objected.
    """
    import pyarrow as pa

    rows = zip(*(batch.column(name).to_pylist() for name in ASKED), strict=True)
    found = [_look_at_one(row, shop, objections) for row in rows]
    columns = zip(*found, strict=True) if found else [()] * len(COLUMNS)
    for name, values in zip(COLUMNS, columns, strict=True):
        batch = batch.append_column(name, pa.array(values, pa.string()))
    return batch


def _look_at_one(row: tuple[Any, ...], shop: Shop, objections: Mapping[str, frozenset[str]]) -> tuple[str | None, ...]:
    """The values of COLUMNS for one customer, given those of ASKED."""
    (customer_id, title, first_name, last_name, tongue, mail, telephone, street, extra, zip_code, city, land, plain) = (
        row
    )
    code = contacts.country(land or shop.country)
    postcode = contacts.postcode(zip_code, code)
    place = contacts.territory(code or shop.country, postcode)
    civility = contacts.civility(title)
    first_rule, last_rule = contacts.name_rule(first_name), contacts.name_rule(last_name)
    first, last = contacts.usable_name(civility, first_name, last_name, first_rule, last_rule)
    phone, region, phone_rule = contacts.check_phone(telephone, place)
    language = contacts.language(tongue)
    known = language in shop.languages
    if plain and code == "FR":
        address_rule = None
    else:
        address_rule = _address_rule(civility, first, last, (extra, street, postcode, city), code)
    closed = objections.get(customer_id) if objections else None
    return (
        civility,
        first,
        last,
        first_rule,
        last_rule,
        language if known else shop.language,
        None if known or tongue is None else "unknown_language",
        *contacts.check_email(mail),
        phone,
        region,
        phone_rule,
        contacts.time_zone(place, postcode, phone, region),
        postcode,
        code,
        address_rule,
        *(_closed(closed) if closed else NONE_CLOSED),
    )


def _closed(channels: frozenset[str]) -> Iterable[str | None]:
    return (UNCLEAR if channel in channels else None for channel in ("letter", "email", "call"))


def _address_rule(
    civility: str | None, first: str | None, last: str | None, lines: tuple[str | None, ...], code: str | None
) -> str | None:
    """Why no letter can be addressed here. Someone without a usable name is looked at as if there were one."""
    if not any(lines):
        return "no_address"
    if code is None:
        return "unknown_country"
    extra, street, postcode, city = lines
    return addresses.address_problem(civility, first, last or "X", extra, street, postcode, city, code, language="fr")
