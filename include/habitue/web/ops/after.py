"""What follows: why customers left, what was won back, and the rules by which one thing leads to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from habitue import follow_ups, losses
from habitue.calendars import campaigns
from habitue.errors import SettingError
from habitue.follow_ups import reason_words
from habitue.kinds import Audited, Channel
from habitue.quarters import Quarter
from habitue.shop import INCLUDE
from habitue.verdicts import result_words
from habitue.web.ops.campaigns import titled
from habitue.web.ops.listing import N_, Column, Filter, Listing
from habitue.web.ops.results import sent, temporary
from habitue.web.ops.shell import Here, Role, Visit, allowed, as_read_in, page
from habitue.web.pages import Page

looking = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS, Role.MANAGER)])
digging = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS)])

Name = Annotated[str, Query(max_length=10)]


TOLD = Listing(
    "reasons",
    "losses/told",
    key="customer_id",
    title=N_("Who told why they left"),
    columns=(
        Column("customer_id", N_("Number"), link=lambda here, row: here.url("customers", row["customer_id"])),
        Column("reason", N_("Reason"), says=lambda here, value: reason_words(here.language)[value]),
        Column("told_on", N_("Told on"), "day"),
        Column("orders", N_("Orders since"), "count"),
        Column("cents", N_("Paid since"), "money"),
    ),
    filters=(Filter("reason", N_("Reason"), options=lambda here: list(reason_words(here.language).items())),),
    sort="-cents",
)

WON_BACK = Listing(
    "won_back",
    "losses/won_back",
    key="customer_id",
    title=N_("Lapsed customers who were asked back"),
    columns=(
        Column("customer_id", N_("Number"), link=lambda here, row: here.url("customers", row["customer_id"])),
        Column("channel", N_("Channel"), says=lambda here, value: here.words["channels"][value]),
        Column("title", N_("Campaign"), link=lambda here, row: here.url("runs", row["run_id"])),
        Column("on_date", N_("Day"), "day"),
        Column("orders", N_("Orders"), "count"),
        Column("cents", N_("Paid"), "money"),
        Column("cost_micros", N_("Cost"), "price"),
    ),
    filters=(
        Filter("channel", N_("Channel"), options=lambda here: [(one, here.words["channels"][one]) for one in Channel]),
    ),
    sort="-cents",
)


def chosen(here: Visit, name: str) -> Quarter:
    """The quarter asked for, else the one of today."""
    try:
        return Quarter.read(name)
    except SettingError:
        return Quarter.of(here.at.astimezone(here.shop.tz).date())


@looking.get("/after/")
def after(here: Here, quarter: Name = "") -> Response:
    wanted = chosen(here, quarter)
    shop = as_read_in(here.shop, here.language)
    found = losses.latest(here.house.engine, shop, wanted, at=here.at)
    rules = follow_ups.in_force(language=here.language)
    return page(
        here,
        "after.html.j2",
        area="campaigns",
        wide=True,
        quarter=wanted,
        found=found,
        reasons=reason_words(here.language),
        most=max((one.customers for one in found.reasons), default=1),
        rules=_rules(here, found, rules.said),
        gaps=rules.gaps,
        say=result_words(here.language)["losses"],
        version=losses.RULES_VERSION,
        ops=here.visitor.role is Role.OPS,
    )


def _rules(here: Visit, found: losses.Losses, said: Sequence[follow_ups.Said]) -> list[dict[str, Any]]:
    """Each campaign's rules with the file they stand in, and how often each has acted; those of all campaigns first."""
    titles = {one.name: titled(one, here) for one in campaigns()}
    then = {"not_reached": "then", "no_answer": "then"}
    by_campaign: dict[str | None, list[tuple[str, str, int | None]]] = {}
    for one in said:
        times = found.followed.get((then.get(one.rule, one.rule), one.campaign or ""))
        counted = times or 0 if one.rule in ("complaint", "reason", "not_reached", "no_answer", "purchase") else None
        by_campaign.setdefault(one.campaign, []).append((one.rule, one.text, counted))
    return [
        {
            "campaign": name,
            "title": titles.get(name, name) if name else "",
            "file": f"include/campaigns/{name}.yaml" if name else "",
            "source": (INCLUDE / "campaigns" / f"{name}.yaml").read_text("utf-8") if name else "",
            "rules": rules,
        }
        for name, rules in by_campaign.items()
    ]


@looking.get("/after/csv")
def file(here: Here, quarter: Name = "") -> Response:
    wanted = chosen(here, quarter)
    shop = as_read_in(here.shop, here.language)
    path = temporary()
    losses.write_csv(path, losses.latest(here.house.engine, shop, wanted, at=here.at), shop=shop)
    return sent(path, f"losses-{wanted}.csv")


@digging.get("/after/reasons")
def reasons(here: Here, request: Request, quarter: Name = "") -> Response:
    return _listed(here, request, TOLD, "reasons", quarter)


@digging.get("/after/won-back")
def won_back(here: Here, request: Request, quarter: Name = "") -> Response:
    return _listed(here, request, WON_BACK, "won-back", quarter)


def _listed(here: Visit, request: Request, listing: Listing, path: str, quarter: str) -> Response:
    wanted = chosen(here, quarter)
    given = losses.asked(wanted, here.shop, known=here.at, language=here.language)
    if "as" in request.query_params:
        return listing.download(here, request.query_params, **given)
    kept = {"quarter": str(wanted)}
    action = here.url("after", path)
    shown = listing.show(here, request.query_params, action=action, kept=kept, **given)
    here.note(Audited.VIEWED, subject=listing.name, rows=len(shown.rows))
    return page(here, "after_rows.html.j2", area="campaigns", wide=True, shown=shown, quarter=wanted)


routes = APIRouter(route_class=Page)
routes.include_router(looking)
routes.include_router(digging)
