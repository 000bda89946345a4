"""What the year's campaigns cost, on whom it was spent, how image and product messages alternate, and how often
customers heard from the shop."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from habitue import budgets, minimums
from habitue.budgets import Year
from habitue.calendars import campaigns
from habitue.kinds import Audited, Channel, Segment
from habitue.report import rule_words
from habitue.verdicts import result_words
from habitue.web.ops.campaigns import kinds, said_kind, titled
from habitue.web.ops.listing import N_, Column, Filter, Listing
from habitue.web.ops.results import sent, temporary
from habitue.web.ops.shell import Here, Role, Visit, allowed, as_read_in, page
from habitue.web.pages import Page

looking = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS, Role.MANAGER)])
digging = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS)])

Wanted = Annotated[int | None, Query(ge=2000, le=2100)]
QUARTERS = (1, 2, 3, 4)
OFTEN = 4
"""So many messages or more are one column."""


def _segments(here: Visit) -> list[tuple[str, str]]:
    return [(one, here.words["segments"][one]) for one in Segment]


def _channels(here: Visit) -> list[tuple[str, str]]:
    return [(one, here.words["channels"][one]) for one in Channel]


MESSAGES = Listing(
    "spent",
    "budget/messages",
    key="message_id",
    title=N_("Messages that have left, and what each cost"),
    columns=(
        Column("customer_id", N_("Number"), link=lambda here, row: here.url("customers", row["customer_id"])),
        Column("campaign", N_("Campaign"), link=lambda here, row: here.url("runs", row["run_id"])),
        Column("on_date", N_("Day"), "day"),
        Column("kind", N_("Kind"), says=said_kind),
        Column("segment", N_("Group"), says=lambda here, value: here.words["segments"][value]),
        Column("channel", N_("Channel"), says=lambda here, value: here.words["channels"][value]),
        Column("cost_micros", N_("Cost"), "price"),
    ),
    filters=(
        Filter("campaign", N_("Campaign"), options=lambda here: list(_titles(here).items())),
        Filter("quarter", N_("Quarter"), options=lambda here: [(str(one), str(one)) for one in QUARTERS]),
        Filter("kind", N_("Kind"), options=kinds),
        Filter("segment", N_("Group"), options=_segments),
        Filter("channel", N_("Channel"), options=_channels),
    ),
    sort="-on_date",
)

HEARD = Listing(
    "heard",
    "budget/heard",
    key="customer_id",
    title=N_("How often each customer heard from the shop"),
    columns=(
        Column("customer_id", N_("Number"), link=lambda here, row: here.url("customers", row["customer_id"])),
        Column("segment", N_("Group"), says=lambda here, value: here.words["segments"][value]),
        Column("messages", N_("Messages"), "count"),
    ),
    filters=(
        Filter("segment", N_("Group"), options=_segments),
        Filter("messages", N_("Messages"), options=lambda here: [(str(number), str(number)) for number in range(20)]),
    ),
    sort="-messages",
)


def year_of(here: Visit, year: int) -> Year:
    return budgets.latest(here.house.engine, year, here.shop.budget, at=here.at)


def _titles(here: Visit) -> dict[str, str]:
    return {one.name: titled(one, here) for one in campaigns()}


def _chosen(here: Visit, year: int | None) -> int:
    return year or here.at.astimezone(here.shop.tz).year


@looking.get("/budget/")
def budget(here: Here, year: Wanted = None) -> Response:
    wanted = _chosen(here, year)
    found = year_of(here, wanted)
    today = here.at.astimezone(here.shop.tz).date()
    least, most = here.shop.budget.aim
    return page(
        here,
        "budget.html.j2",
        area="campaigns",
        wide=True,
        year=wanted,
        found=found,
        say=result_words(here.language)["budget"],
        names={**here.words["segments"], **here.words["channels"], **_titles(here)},
        quarters=[
            (number, [(kind, *found.by("quarter", "kind").get((str(number), kind), (0, 0))) for kind in _kinds(found)])
            for number in QUARTERS
            if date(wanted, 3 * number - 2, 1) <= today
        ],
        least=least,
        most=most,
        heard=[
            (channel, [one for one in several if one.first <= today])
            for channel, several in (("letter", found.letters), ("email", found.emails), ("call", (found.calls,)))
        ],
        often=OFTEN,
        version=budgets.RULES_VERSION,
    )


def _kinds(found: Year) -> list[str]:
    return sorted({"image", "product"} | {row.kind for row in found.rows if row.kind})


@looking.get("/budget/csv")
def file(here: Here, year: Wanted = None) -> Response:
    wanted = _chosen(here, year)
    path = temporary()
    budgets.write_csv(path, year_of(here, wanted), shop=as_read_in(here.shop, here.language))
    return sent(path, f"budget-{wanted}.csv")


@looking.get("/budget/minimums")
def least(here: Here) -> Response:
    """A letter a quarter, a call a year: who got less, by what stood in the way. Counted when somebody asks."""
    found = minimums.minimums(here.house.engine, here.shop, on=here.at.astimezone(here.shop.tz).date())
    reasons = [
        (channel, days, counted.total(), [(*_why(here, why), number) for why, number in counted.most_common()])
        for channel, days, counted in (
            ("letter", minimums.LETTER_DAYS, found.letter),
            ("call", minimums.CALL_DAYS, found.call),
        )
    ]
    return page(here, "minimums.html.j2", area="campaigns", wide=True, found=found, reasons=reasons)


def _why(here: Visit, why: str) -> tuple[str, str]:
    said = result_words(here.language)["minimums"].get(why)
    return (said[0], said[1]) if said else rule_words(why, here.language)


@digging.get("/budget/minimums/csv")
def least_file(here: Here) -> Response:
    path = temporary()
    on = here.at.astimezone(here.shop.tz).date()
    found = minimums.minimums(here.house.engine, as_read_in(here.shop, here.language), on=on, out=path)
    here.note(Audited.EXPORTED, subject="minimums", rows=max(found.letter.total(), found.call.total()))
    return sent(path, f"minimums-{on}.csv")


@digging.get("/budget/messages")
def messages(here: Here, request: Request, year: Wanted = None) -> Response:
    wanted = _chosen(here, year)
    given = {"first": date(wanted, 1, 1), "last": date(wanted, 12, 31)}
    return _listed(here, request, MESSAGES, here.url("budget", "messages"), {"year": str(wanted)}, given)


@digging.get("/budget/heard")
def heard(here: Here, request: Request, first: date, last: date, channel: Channel) -> Response:
    kept = {"first": first.isoformat(), "last": last.isoformat(), "channel": str(channel)}
    given = {"first": first, "last": last, "channel": str(channel)}
    return _listed(here, request, HEARD, here.url("budget", "heard"), kept, given)


def _listed(
    here: Visit, request: Request, listing: Listing, action: str, kept: dict[str, str], given: dict[str, Any]
) -> Response:
    if "as" in request.query_params:
        return listing.download(here, request.query_params, **given)
    shown = listing.show(here, request.query_params, action=action, kept=kept, **given)
    here.note(Audited.VIEWED, subject=listing.name, rows=len(shown.rows))
    return page(here, "budget_rows.html.j2", area="campaigns", wide=True, shown=shown, kept=kept)


routes = APIRouter(route_class=Page)
routes.include_router(looking)
routes.include_router(digging)
