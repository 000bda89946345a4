"""Problems: what the last night kept in quarantine and whom nobody can reach, by rule, each with what mends it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from habitue.kinds import Audited
from habitue.lake import Snapshot
from habitue.report import rule_words
from habitue.tables import Channel
from habitue.web.ops.customers import to_customer
from habitue.web.ops.lake_listing import LakeListing
from habitue.web.ops.listing import N_, Column, Filter, Listing
from habitue.web.ops.shell import Here, Role, Visit, allowed, page
from habitue.web.pages import Page

routes = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS)])

MENDS = {
    "id_missing": N_("Give each customer a number in the shop's system, then export again."),
    "id_unreadable": N_("Take line breaks and control characters out of the number."),
    "id_conflict": N_("Two different people bear one number: give one of them another."),
    "order_id_missing": N_("Enter the number of the receipt or invoice."),
    "order_customer_missing": N_("Enter whose purchase it was, or leave it out of the export."),
    "ordered_at_missing": N_("Enter the day of the purchase as year, month, day."),
    "amount_missing": N_("Enter the amount as a number."),
    "consent_customer_missing": N_("Enter whose word it is: until then it counts for nobody."),
    "channel_missing": N_("Enter letter, email or call. Until then every channel of this customer stays closed."),
    "unknown_channel": N_("Write letter, email or call. Until then every channel of this customer stays closed."),
    "status_missing": N_("Enter granted, refused or withdrawn. Until then the channel stays closed."),
    "unknown_status": N_("Write granted, refused or withdrawn. Until then the channel stays closed."),
    "recorded_at_missing": N_("Enter when it was said: a permission without a date proves nothing."),
    "valid_until_unreadable": N_("Write the last day as year, month, day, or leave it empty."),
    "purpose_missing": N_("Enter what the permission is for: marketing."),
    "no_usable_name": N_("Ask for the name at the next visit and enter it."),
    "placeholder_name": N_("Replace the placeholder by the name."),
    "digits_only": N_("Replace the digits by the name."),
    "control_characters": N_("Type the name again, on one line."),
    "template_code": N_("Type the name again, without code."),
    "formula": N_("Type the name again: a spreadsheet has made a formula of it."),
    "not_a_name": N_("Move the address to its own field and enter the name."),
    "name_too_long": N_("Enter the name alone, without titles or remarks."),
    "no_email": N_("Ask for an address at the till, and with it for consent."),
    "bad_email": N_("Correct the address: look for a missing dot, a blank or a mistyped provider."),
    "no_phone": N_("Ask for a number at the till, and with it for consent to calls."),
    "bad_phone": N_("Correct the number: a digit is missing, or it belongs to no person."),
    "unknown_timezone": N_("Enter the country and the postcode: they tell when one may ring."),
    "no_address": N_("Ask for the postal address at the next visit."),
    "bad_postcode": N_("Correct the postcode; a spreadsheet may have eaten its first nought."),
    "no_street": N_("Enter the street and the number."),
    "no_town": N_("Enter the town."),
    "wrong_town": N_("Postcode and town don't go together: correct one of them."),
    "no_name": N_("Enter the name: a letter needs one."),
    "unknown_country": N_("Write the country's name or its two letters."),
    "address_line_too_long": N_("Shorten the line: move the building or the floor to the second line."),
    "address_not_latin": N_("Write the address in Latin letters as well."),
    "unclear_objection": N_("Mend this customer's consent in quarantine: it may be an objection."),
}
DATASETS = ("customers", "orders", "consents")


def mend(here: Visit, rule: str) -> str:
    """What the shop does about it."""
    return here.say(MENDS[rule]) if rule in MENDS else rule_words(rule, here.language)[1]


def _titled(**titles: str) -> tuple[Column, ...]:
    return tuple(
        Column(name, title, link=to_customer if name == "customer_id" else None) for name, title in titles.items()
    )


_ROWS = {
    "customers": _titled(
        customer_id=N_("Customer"),
        civility=N_("Civility"),
        first_name=N_("First name"),
        last_name=N_("Last name"),
        birth_date=N_("Born on"),
        language=N_("Language"),
        email=N_("E-mail"),
        phone=N_("Telephone"),
        street=N_("Street"),
        address_extra=N_("Second line"),
        postcode=N_("Postcode"),
        city=N_("Town"),
        country=N_("Country"),
        created_on=N_("Known since"),
        deceased_on=N_("Died on"),
    ),
    "orders": _titled(
        order_id=N_("Order"),
        customer_id=N_("Customer"),
        ordered_at=N_("Day"),
        product_code=N_("Product code"),
        product_name=N_("Product"),
        quantity=N_("Quantity"),
        amount_cents=N_("Amount in cents"),
    ),
    "consents": _titled(
        customer_id=N_("Customer"),
        channel=N_("Channel"),
        purpose=N_("Purpose"),
        status=N_("What"),
        basis=N_("Basis"),
        recorded_at=N_("Said on"),
        valid_until=N_("Valid until"),
        source=N_("Where it was said"),
        wording_version=N_("Wording"),
    ),
}
QUARANTINED = {
    dataset: LakeListing(
        f"quarantine-{dataset}",
        "problems/rows",
        key="row_number",
        title=N_("Rows in quarantine"),
        sort="customer_id",
        columns=columns,
        filters=(Filter("customer_id", N_("Customer")),),
    )
    for dataset, columns in _ROWS.items()
}
UNREACHABLE = Listing(
    "unreachable",
    "problems/unreachable",
    key="customer_id",
    title=N_("Customers out of reach"),
    sort="customer_id",
    columns=_titled(
        customer_id=N_("Customer"),
        first_name=N_("First name"),
        last_name=N_("Last name"),
        street=N_("Street"),
        address_extra=N_("Second line"),
        postcode=N_("Postcode"),
        city=N_("Town"),
        country=N_("Country"),
        email=N_("E-mail"),
        phone=N_("Telephone"),
    ),
    filters=(Filter("customer_id", N_("Customer")), Filter("city", N_("Town"))),
)


@routes.get("/problems/")
def problems(here: Here) -> Response:
    """Counts of the last snapshot, as validation left them: no row is read."""
    snapshot = here.house.lake.latest()
    if snapshot is None:
        return page(here, "nothing_yet.html.j2", area="problems", status=404)
    reached = _reach(snapshot)
    return page(
        here,
        "problems.html.j2",
        area="problems",
        snapshot=snapshot,
        quarantine={dataset: _lines(here, snapshot.manifest["rejects"].get(dataset, {})) for dataset in DATASETS},
        reach=[
            (channel, reached[channel]["reachable"], _lines(here, reached[channel]["barriers"]))
            for channel in Channel
            if channel in reached
        ],
    )


def _reach(snapshot: Snapshot) -> Mapping[str, Any]:
    file = snapshot.path / "validation.json"
    found: Mapping[str, Any] = json.loads(file.read_text("utf-8"))["reachability"] if file.is_file() else {}
    return found


def _lines(here: Visit, counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """The largest first: rule, its name, what it says, how many, what mends it."""
    return [
        {
            "rule": rule,
            "name": rule_words(rule, here.language)[0],
            "says": rule_words(rule, here.language)[1],
            "number": number,
            "mend": mend(here, rule),
        }
        for rule, number in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    ]


@routes.get("/problems/quarantine/{dataset}/{rule}")
def quarantined(dataset: str, rule: str, request: Request, here: Here) -> Response:
    snapshot = here.house.lake.latest()
    if snapshot is None or rule not in snapshot.manifest["rejects"].get(dataset, {}):
        raise HTTPException(404, "the last snapshot keeps no row for this rule: see the list of problems")
    file = snapshot.path / "quarantine" / f"{dataset}.parquet"
    return _rows(here, request, QUARANTINED[dataset], rule, here.words["datasets"][dataset], file=str(file), rule=rule)


@routes.get("/problems/reach/{channel}/{rule}")
def unreachable(channel: Channel, rule: str, request: Request, here: Here) -> Response:
    name = here.words["channels"][channel]
    return _rows(here, request, UNREACHABLE, rule, name, channel=channel.value, rule=rule)


def _rows(here: Visit, request: Request, listing: Listing, rule_name: str, where: str, **given: Any) -> Response:
    asked = request.query_params
    if asked.get("as"):
        return listing.download(here, asked, **given)
    shown = listing.show(here, asked, action=request.url.path, **given)
    here.note(Audited.VIEWED, subject=listing.name, rows=len(shown.rows))
    short, says = rule_words(rule_name, here.language)
    return page(
        here,
        "problem.html.j2",
        area="problems",
        shown=shown,
        name=short,
        says=says,
        where=where,
        mend=mend(here, rule_name),
    )
