"""Customers: the search, and one page a customer. What changes something stands in `customer_acts`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from habitue import erasures, explanations, purchase_history, scores, searches
from habitue.explanations import Explanation
from habitue.house import House
from habitue.kinds import Audited
from habitue.purchase_history import Picture
from habitue.report import rule_words
from habitue.statements import statement
from habitue.tables import Channel, State
from habitue.telling import Telling
from habitue.texts import long_date, money
from habitue.web.ops import charts
from habitue.web.ops.desk import call_words
from habitue.web.ops.lake_listing import LakeListing
from habitue.web.ops.listing import N_, Column, Filter, Listing, Row
from habitue.web.ops.shell import Here, Role, Visit, allowed, as_read_in, page
from habitue.web.pages import Page, same_origin

routes = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS)])

RUNS = 20
COMPLAINTS = 20
A_PAGE = 15


def to_customer(here: Visit, row: Row) -> str | None:
    """The link to a customer's page."""
    return here.url("customers", row["customer_id"]) if row["customer_id"] else None


def name_of(row: Row) -> str:
    return " ".join(part for part in (row["first_name"], row["last_name"]) if part)


def _channels(here: Visit) -> list[tuple[str, str]]:
    return [(channel.value, here.words["channels"][channel]) for channel in Channel]


def _group(here: Visit, value: str) -> str:
    return str(here.words["segments"].get(value, value))


def _channel(here: Visit, value: str) -> str:
    return str(here.words["channels"].get(value, value))


def _title(here: Visit, value: Mapping[str, str] | None) -> str:
    return (value or {}).get(here.language, "")


def _rule(here: Visit, value: str) -> str:
    return rule_words(value, here.language)[0]


def _outcomes(here: Visit, value: str) -> str:
    """`posted 3 October 2026, returned 9 October 2026 (moved)`."""
    calls = call_words(here.language)
    known = {
        **here.words["explain"]["outcomes"],
        "call/": here.say("never ended"),
        **{f"call/{name}": says[0] for name, says in calls["dispositions"].items()},
    }
    told = []
    for kind, at, reason in json.loads(value):
        why = f" ({calls['reasons'].get(reason, reason) if kind.startswith('call/') else reason})" if reason else ""
        told.append(f"{known[kind]} {long_date(date.fromisoformat(at[:10]), here.language)}{why}")
    return ", ".join(told)


def _status(here: Visit, value: str) -> str:
    return {
        "granted": here.say("allowed"),
        "refused": here.say("said no"),
        "withdrawn": here.say("withdrawn"),
    }[value]


def _said_by(here: Visit, value: bool) -> str:
    return here.say("to us") if value else here.say("imported")


FOUND = Listing(
    "customers",
    "customers/found",
    key="customer_id",
    title=N_("Customers found"),
    sort="place",
    method="post",
    columns=(
        Column("place", N_("Match"), "count"),
        Column("customer_id", N_("Customer"), link=to_customer),
        Column("first_name", N_("First name")),
        Column("last_name", N_("Last name"), link=to_customer),
        Column("postcode", N_("Postcode")),
        Column("city", N_("Town")),
        Column("segment", N_("Group"), says=_group),
        Column("last_day", N_("Last purchase"), "day"),
        Column("lifetime_cents", N_("Spent in all"), "money"),
    ),
    filters=(
        Filter("segment", N_("Group"), options=lambda here: list(here.words["segments"].items())),
        Filter("city", N_("Town")),
    ),
)

LINES = LakeListing(
    "purchases",
    "customers/lines",
    key="line",
    title=N_("Purchases, line by line"),
    sort="-ordered_at",
    a_page=A_PAGE,
    columns=(
        Column("ordered_at", N_("Day"), says=lambda here, value: long_date(value.date(), here.language)),
        Column("order_id", N_("Order")),
        Column("product_name", N_("Product")),
        Column("quantity", N_("Quantity"), says=lambda here, value: f"{value:g}"),
        Column("amount_cents", N_("Amount"), "money"),
    ),
    filters=(Filter("product_name", N_("Product")),),
)

SENT = Listing(
    "sent",
    "customers/sent",
    key="what",
    title=N_("Everything sent, and what came of it"),
    sort="-at",
    a_page=A_PAGE,
    columns=(
        Column("at", N_("When"), "moment"),
        Column("channel", N_("Channel"), says=_channel),
        Column(
            "title", N_("Campaign"), sortable=False, says=_title, link=lambda here, row: here.url("runs", row["run_id"])
        ),
        Column("state", N_("State"), says=lambda here, value: str(here.words["states"][value])),
        Column("reason", N_("Why"), says=_rule),
        Column("outcomes", N_("What came of it"), sortable=False, says=_outcomes),
    ),
    filters=(
        Filter("channel", N_("Channel"), options=_channels),
        Filter("state", N_("State"), options=lambda here: [(one.value, here.words["states"][one]) for one in State]),
    ),
)

CONSENTS = Listing(
    "consents",
    "customers/consents",
    key="consent_id",
    title=N_("Every consent and objection, with its proof"),
    sort="-recorded_at",
    a_page=A_PAGE,
    columns=(
        Column("recorded_at", N_("Said on"), "moment"),
        Column("channel", N_("Channel"), says=_channel),
        Column("status", N_("What"), says=_status),
        Column("valid_until", N_("Valid until"), "day"),
        Column("source", N_("Where it was said")),
        Column("wording_version", N_("Wording")),
        Column("basis", N_("Basis")),
        Column("direct", N_("How we know"), says=_said_by),
    ),
    filters=(Filter("channel", N_("Channel"), options=_channels),),
)

LISTS: dict[str, Listing] = {one.name: one for one in (LINES, SENT, CONSENTS)}


@routes.get("/customers/")
def ask(here: Here) -> Response:
    return page(here, "customers.html.j2", area="customers", looked_for="", found=None, more=False, most=searches.MOST)


@routes.post("/customers/", dependencies=[Depends(same_origin)])
async def look(request: Request, here: Here) -> Response:
    """What is looked for is personal: it stands in the body of a post and nowhere else."""
    form = await request.form()
    asked = {name: value for name, value in form.items() if isinstance(value, str)}
    return await _in_a_thread(_looked, here, asked)


def _looked(here: Visit, asked: Mapping[str, str]) -> Response:
    looked_for = asked.get("looked_for", "")[: searches.LONGEST].strip()
    with here.house.engine.connect() as connection:
        found = searches.find(connection, looked_for, here.shop)
    if asked.get("as"):
        return FOUND.download(here, asked, ids=found.ids)
    here.note(Audited.SEARCHED, subject="customers", rows=len(found.ids))
    if found.ids[:1] == [looked_for]:  # the very id: nobody else can be meant
        return RedirectResponse(here.url("customers", looked_for), 303)
    shown = None
    if looked_for:
        shown = FOUND.show(
            here, asked, action=here.url("customers", ""), kept={"looked_for": looked_for}, ids=found.ids
        )
    return page(
        here,
        "customers.html.j2",
        area="customers",
        looked_for=looked_for,
        found=shown,
        more=found.more,
        most=searches.MOST,
    )


async def _in_a_thread(call: Any, *given: Any) -> Response:
    from fastapi.concurrency import run_in_threadpool

    answer: Response = await run_in_threadpool(call, *given)
    return answer


def one(house: House, customer_id: str) -> dict[str, Any]:
    """The customer's row with where she stands; 404 where nobody has that number."""
    with house.engine.connect() as connection:
        row = connection.execute(statement("customers/person"), {"customer_id": customer_id}).mappings().one_or_none()
    if row is None:
        raise HTTPException(404, "the base knows no customer of this id: look for them by name, number or address")
    return dict(row)


@routes.get("/customers/{customer_id}")
def customer(customer_id: str, request: Request, here: Here, run: str = "", done: str = "") -> Response:
    who = one(here.house, customer_id)
    asked = request.query_params
    wanted = asked.get("list", "")
    home = here.url("customers", customer_id)
    bought = _bought(here.house, customer_id)
    if asked.get("as") and wanted in LISTS:
        given: dict[str, Any] = {"held": bought} if wanted == LINES.name else {"customer_id": customer_id}
        return LISTS[wanted].download(here, asked, of=customer_id, **given)
    here.note(Audited.VIEWED, customer_id, subject="customer")

    def shown(listing: Listing, **given: Any) -> Any:
        mine = asked if wanted == listing.name else {}
        return listing.show(here, mine, action=home, kept={"list": listing.name}, **given)

    on = here.at.astimezone(here.shop.tz).date()
    with here.house.engine.connect() as connection:
        runs = (
            connection.execute(statement("customers/runs"), {"customer_id": customer_id, "most": RUNS}).mappings().all()
        )
        snapshot_on = connection.scalar(statement("customers/standing_on"))
        complained = connection.execute(
            statement("calls/complaints"), {"customer_id": customer_id, "most": COMPLAINTS}
        ).all()
    chosen = run or (runs[0]["run_id"] if runs else None)
    found = explanations.explain(here.house, customer_id, on=on, run_id=chosen) if chosen else None
    found = found or _without_runs(here.house, customer_id, on)
    return page(
        here,
        "customer.html.j2",
        area="customers",
        who=who,
        name=name_of(who),
        home=home,
        done=done,
        on=on,
        birthday=who["birth_date"],
        found=found,
        telling=Telling(here.language, here.shop.tz),
        runs=[
            {**row, "title": _title(here, row["title"]), "href": f"{home}?run={quote(row['run_id'])}#why"}
            for row in runs
        ],
        chosen=chosen,
        reasons=_reasons(here, found),
        others=erasures.also_known_as(here.house, customer_id),
        barriers={
            channel: rule_words(who[f"{channel}_barrier"], here.language) if who[f"{channel}_barrier"] else None
            for channel in Channel
        },
        score=_score(here, who, snapshot_on),
        drawn=_drawn(here, bought) if bought else None,
        lines=shown(LINES, held=bought) if bought else None,
        sent=shown(SENT, customer_id=customer_id),
        consents=shown(CONSENTS, customer_id=customer_id),
        tier=who["tier"],
        is_held=any(hold.reason == "complaint" for hold in found.holds),
        complaints=[one for one in complained if one.closed_at is None],
    )


def _bought(house: House, customer_id: str) -> list[dict[str, Any]]:
    snapshot = house.lake.latest()
    return purchase_history.purchases(snapshot, customer_id) if snapshot else []


def _without_runs(house: House, customer_id: str, on: date) -> Explanation:
    """How the customer stands where no run was ever planned."""
    return explanations.explain(house, customer_id, on=on)


def _reasons(here: Visit, found: Explanation) -> list[tuple[str, str]]:
    """What the chosen run did with her, and each reason on a line of its own."""
    told = Telling(here.language, here.shop.tz)
    return [(became, line) for _, became, why in (told.run(one) for one in found.runs[:1]) for line in why.split("\n")]


def _score(here: Visit, who: Mapping[str, Any], on: date | None) -> dict[str, Any] | None:
    """The score with its parts; without them where the grid was changed since it was worked out."""
    if who["score"] is None or on is None:
        return None
    parts = scores.parts(here.shop.scoring, who, on=on)
    agree = sum(part.points for part in parts) == who["score"]
    return {"points": who["score"], "parts": parts if agree else [], "most": sum(part.most for part in parts)}


def _drawn(here: Visit, bought: list[dict[str, Any]]) -> dict[str, Any]:
    picture = purchase_history.picture(bought)
    shop = as_read_in(here.shop, here.language)
    total = sum(bar.cents for bar in picture.bars)
    said = here.say(
        "{orders} orders from {first} to {last}, {amount} in all, returns taken off",
        orders=sum(bar.orders for bar in picture.bars),
        first=long_date(picture.bars[0].start, here.language),
        last=long_date(picture.bars[-1].start, here.language),
        amount=money(total, shop.currency, here.language),
    )
    return {"svg": _chart(here, picture, said), "said": said, "unit": picture.unit}


def _chart(here: Visit, picture: Picture, said: str) -> Any:
    import altair as alt

    values = [
        {"day": bar.start.isoformat(), "amount": bar.cents / 100, "kind": "back" if bar.cents < 0 else "paid"}
        for bar in picture.bars
    ]
    width = {"day": 7, "month": 10, "year": 26}[picture.unit]
    days = (picture.bars[-1].start - picture.bars[0].start).days
    # Never the same words at two ticks: days of a short time, months of some years, else years.
    steps = "%d/%m/%y" if days < 200 else "%m/%Y" if days < 1_500 else "%Y"
    margin = timedelta(days=max(10, days // 30))
    around = [picture.bars[0].start - margin, picture.bars[-1].start + margin]
    drawn = (
        alt.Chart({"values": values}, width=860, height=180)
        .mark_bar(width=width, cornerRadiusEnd=2)
        .encode(
            x=alt.X(
                "day:T",
                title=None,
                scale=alt.Scale(domain=[day.isoformat() for day in around]),
                axis=alt.Axis(format=steps, tickCount=5, grid=False, labelOverlap=True),
            ),
            y=alt.Y("amount:Q", title=here.shop.currency, axis=alt.Axis(tickCount=4)),
            color=alt.Color(
                "kind:N",
                legend=None,
                scale=alt.Scale(domain=["paid", "back"], range=[charts.shades(here.shop)[0], "#8b8680"]),
            ),
        )
    )
    return charts.svg(drawn, title=here.say("Purchases over time"), description=said, shop=here.shop)
