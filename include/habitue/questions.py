"""What a person is asked before a run's messages leave: the dry run, from the ledger, in the shop's language.

Markdown, as Airflow's page of required actions shows it. Numbers, rules and hashes only; the samples, which show
customers, stand behind links.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import Connection, RowMapping, select

from habitue import controls, ledger
from habitue.campaigns import Campaign
from habitue.errors import LedgerError
from habitue.house import House
from habitue.limits import Approval
from habitue.report import WEB, count, percent, rule_words, words
from habitue.shop import Shop
from habitue.statements import statement
from habitue.tables import Channel, RunState, Segment, run
from habitue.texts import long_date, money


def question(house: House, run_id: str, *, at: datetime) -> tuple[str, str]:
    """Subject and body of the question whether the run may leave, as it is at this moment; the same for the same
    ledger and files. LedgerError where the run is not planned."""
    language = house.shop.language
    say = words(language)["question"]
    with house.engine.connect() as connection:
        row = connection.execute(select(run).where(run.c.run_id == run_id)).mappings().one_or_none()
        if row is None:
            raise LedgerError(f"run {run_id} is not planned: run the task `plan` first")
        messages = connection.execute(statement("question/messages"), {"run_id": run_id}).mappings().all()
        rules = connection.execute(statement("report/exclusions"), {"run_id": run_id}).all()
        warned = list(_warnings(connection, row, messages, house.shop))
    found = controls.approvals(house.engine, run_id, at=at)
    if changed := controls.changes(house.engine, run_id, house.shop):
        warned.append(say["changed"].format(what=", ".join(changed), run_id=run_id))
    campaign = Campaign.model_validate(row["settings"])
    channels = [channel for channel in Channel if any(one["channel"] == channel for one in messages)]
    last_day = (row["deliver_until"] - timedelta(microseconds=1)).astimezone(house.shop.tz).date()
    body = (
        _environment(language)
        .get_template("question.md.j2")
        .render(
            say=say,
            run=row,
            day=long_date(row["on_date"], language),
            cost=_cost(row["cost_micros"], house.shop),
            reasons=list(_reasons(row, campaign, found, say)),
            given=found.given,
            warnings=warned,
            channels=channels,
            groups=[(name, _by_channel(messages, name, channels)) for name in Segment if _has(messages, name)],
            totals={channel: _total(messages, channel, house.shop) for channel in channels},
            exclusions=[(*rule_words(one.rule, language), one.customers) for one in rules],
            arms=sorted(_arms(messages).items()),
            until=long_date(last_day, language),
            hours=campaign.window.hours,
            mails=samples_page(run_id) if Channel.EMAIL in channels else None,
        )
    )
    subject = say["subject"].format(
        title=campaign.title.get(language, campaign.name),
        day=long_date(row["on_date"], language),
        n=count(row["planned"], language),
    )
    return subject, body.strip() + "\n"


def samples_page(run_id: str) -> str:
    """Where the run's sample mails are looked at, relative to Airflow's address."""
    return f"/habitue/emails/{samples_folder(run_id)}/index.html"


def samples_folder(run_id: str) -> str:
    """The folder of the run's sample mails, below that of the mails."""
    return f"samples/{run_id.replace(':', '-')}"


def _environment(language: str) -> Environment:
    pages = Environment(  # noqa: S701 - Markdown, of numbers and of our own words
        loader=FileSystemLoader(WEB), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters["count"] = lambda number: count(number, language)
    pages.globals["words"] = words(language)
    return pages


def _cost(micros: int, shop: Shop) -> str:
    return money(round(micros / 10_000), shop.currency, shop.language)


def _has(messages: Any, segment: str) -> bool:
    return any(one["segment"] == segment for one in messages)


def _by_channel(messages: Any, segment: str, channels: list[Channel]) -> dict[str, int]:
    mine = [one for one in messages if one["segment"] == segment]
    return {channel: sum(one["messages"] for one in mine if one["channel"] == channel) for channel in channels}


def _total(messages: Any, channel: str, shop: Shop) -> dict[str, Any]:
    mine = [one for one in messages if one["channel"] == channel]
    return {
        "messages": sum(one["messages"] for one in mine),
        "cost": _cost(sum(one["cost_micros"] for one in mine), shop),
    }


def _arms(messages: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in messages:
        if one["arm"] is not None:
            found[one["arm"]] = found.get(one["arm"], 0) + one["messages"]
    return found


def _reasons(row: RowMapping, campaign: Campaign, found: controls.Approvals, say: Any) -> Iterator[str]:
    """Why a person is asked."""
    shop = Shop.model_validate(row["shop"])
    rule, language = campaign.effective_approval(shop), shop.language
    said = 0
    for recipients, cents, behind in (
        (rule.recipients, rule.cost, ""),
        (rule.second_recipients, rule.second_cost, f" {say['two']}"),
    ):
        if row["planned"] > recipients:
            said += 1
            yield say["many"].format(n=count(row["planned"], language), limit=count(recipients, language)) + behind
        if row["cost_micros"] > cents * 10_000:
            said += 1
            limit = money(cents, shop.currency, language)
            yield say["dear"].format(cost=_cost(row["cost_micros"], shop), limit=limit) + behind
    if found.late:
        yield say["late"]
    if found.needed and not said:
        yield say["taken_in"]


def _warnings(connection: Connection, row: RowMapping, messages: Any, shop: Shop) -> Iterator[str]:
    """What is worth a look before saying yes."""
    say = words(shop.language)["question"]
    if row["state"] == RunState.PAUSED:
        yield say["paused"]
    if gone := sum(one["gone"] for one in messages):
        yield say["gone"].format(n=count(gone, shop.language))
    if cancelled := sum(one["cancelled"] for one in messages):
        yield say["shrunk"].format(n=count(cancelled, shop.language))
    if row["audience"] and row["excluded"] / row["audience"] > MANY_EXCLUDED:
        yield say["many_excluded"].format(share=percent(row["excluded"] / row["audience"], shop.language))
    yield from controls.warnings(ledger.tallies(connection, row["run_id"]), shop.breaker)


MANY_EXCLUDED = 0.5
"""Where more of the audience is left out than this, something may be wrong with the data."""


def approvers(rule: Approval, given: tuple[str, ...]) -> list[str]:
    """Who may answer next, as Airflow's user ids; empty: whoever may edit the run, but those who have answered.

    Where the one who should give the second approval gave the first, those who might have given the first are asked.
    """
    if not given:
        return list(rule.assignees)
    fresh = [
        [one for one in named if not any(_signed_by(one, said) for said in given)]
        for named in (rule.second_assignees, rule.assignees)
    ]
    return (fresh[0] or fresh[1]) if rule.second_assignees else []


def signature(user_id: str, name: str) -> str:
    """How the ledger names who answered: `anna`, or `anna (3)` where Airflow knows her by a number."""
    return user_id if user_id == name else f"{name} ({user_id})"


def _signed_by(user_id: str, said_by: str) -> bool:
    return said_by == user_id or said_by.endswith(f" ({user_id})")
