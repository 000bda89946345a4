"""What a batch of customers becomes when every name, e-mail, telephone and address has been looked at.

Works column by column on Arrow batches: `habitue.contacts` decides, this module carries. The rows stay as many and in
the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from habitue import addresses, contacts
from habitue.postcodes import is_elsewhere, town_table
from habitue.settings import INCLUDE

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


def easy(shop: Shop) -> dict[str, Any]:
    """What customer_rows.sql must know to tell the easy rows: the patterns of `habitue.contacts`."""
    return {
        "at_home": shop.country == "FR",
        "plain_email": contacts.PLAIN_EMAIL,
        "french_number": contacts.numbers_of_people("FR"),
        "plain_name": contacts.PLAIN_NAME,
        "no_names": sorted(contacts.PLACEHOLDERS | contacts.NULLISH),
    }


def look_at(batch: pa.RecordBatch, shop: Shop, objections: Mapping[str, frozenset[str]]) -> pa.RecordBatch:
    """The batch with COLUMNS beside its own, each text or null.

    `batch` has the columns of include/sql/validate/customer_rows.sql. `objections` gives, by customer, the channels
    on which a row in quarantine may have objected. Rows marked easy are taken at their word, the others looked at.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    hard = pc.invert(batch.column("is_easy"))
    if objections:
        hard = pc.or_(hard, pc.fill_null(pc.is_in(batch.column("customer_id"), pa.array(list(objections))), False))
    careful = batch.filter(hard)
    rows = zip(*(careful.column(name).to_pylist() for name in ASKED), strict=True)
    found = [_look_at_one(row, shop, objections) for row in rows]
    columns = zip(*found, strict=True) if found else [()] * len(COLUMNS)
    simple = _easy_columns(batch, shop)
    for name, values in zip(COLUMNS, columns, strict=True):
        column = pc.replace_with_mask(simple[name], hard, pa.array(values, pa.string()))
        batch = batch.append_column(name, column)
    return _against_the_towns(batch, shop) if shop.validation.postcodes else batch


def _against_the_towns(batch: pa.RecordBatch, shop: Shop) -> pa.RecordBatch:
    """Addresses in France that are otherwise in order, against the shop's table of postcodes and towns."""
    import pyarrow as pa

    table = town_table(INCLUDE / (shop.validation.postcodes or ""))
    asked = zip(
        *(batch.column(name).to_pylist() for name in ("address_rule", "country_code", "usable_postcode", "city")),
        strict=True,
    )
    rules = [
        "wrong_town" if rule is None and code in addresses.DOMESTIC and is_elsewhere(table, postcode, city) else rule
        for rule, code, postcode, city in asked
    ]
    return batch.set_column(batch.schema.get_field_index("address_rule"), "address_rule", pa.array(rules, pa.string()))


def _easy_columns(batch: pa.RecordBatch, shop: Shop) -> dict[str, pa.Array]:
    """COLUMNS for the easy rows: someone in mainland France whose every field is in plain order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def by_value(name: str, decide: Callable[[str | None], str | None]) -> pa.Array:
        different = batch.column(name).dictionary_encode()
        decided = pa.array([decide(value) for value in different.dictionary.to_pylist()], pa.string())
        return pc.if_else(pc.is_valid(different), decided.take(different.indices), pa.scalar(decide(None), pa.string()))

    def constant(text: str | None) -> pa.Array:
        return pa.nulls(batch.num_rows, pa.string()) if text is None else pa.repeat(text, batch.num_rows)

    phone = batch.column("plain_phone")
    return {
        **dict.fromkeys(COLUMNS, constant(None)),
        "civility_code": by_value("civility", contacts.civility),
        "usable_first": batch.column("first_name"),
        "usable_last": batch.column("last_name"),
        "language_code": by_value("language", lambda text: _language(text, shop)[0]),
        "language_rule": by_value("language", lambda text: _language(text, shop)[1]),
        "usable_email": batch.column("plain_email"),
        "usable_phone": phone,
        "phone_region": pc.if_else(pc.is_valid(phone), pa.scalar("FR"), pa.scalar(None, pa.string())),
        "time_zone": constant("Europe/Paris"),
        "usable_postcode": batch.column("postcode"),
        "country_code": constant("FR"),
    }


def _language(text: str | None, shop: Shop) -> tuple[str | None, str | None]:
    """The language to write in, and the rule broken if it is not the customer's own choice."""
    language = contacts.language(text)
    if language in shop.languages:
        return language, None
    return shop.language, None if text is None else "unknown_language"


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
    if plain and code == "FR":
        address_rule = None
    else:
        address_rule = _address_rule(civility, first, last, (extra, street, postcode, city), code, shop.country)
    closed = objections.get(customer_id) if objections else None
    return (
        civility,
        first,
        last,
        first_rule,
        last_rule,
        *_language(tongue, shop),
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
    civility: str | None,
    first: str | None,
    last: str | None,
    lines: tuple[str | None, ...],
    code: str | None,
    home: str,
) -> str | None:
    """Why no letter can be addressed here. Someone without a usable name is looked at as if there were one."""
    if not any(lines):
        return "no_address"
    if code is None:
        return "unknown_country"
    extra, street, postcode, city = lines
    return addresses.address_problem(
        civility, first, last or "X", extra, street, postcode, city, code, language="fr", home=home
    )
