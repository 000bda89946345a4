"""What a person is asked before a run's messages leave: the dry run, from the ledger, in the shop's language.

Markdown, as Airflow's page of required actions shows it. Numbers, rules and hashes only; the samples, which show
customers, stand behind links.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import RowMapping, select

from habitue import controls
from habitue.accounts import Account, crossed, totals
from habitue.campaigns import Campaign
from habitue.controls import Approvals
from habitue.decisions import Counts
from habitue.house import House
from habitue.limits import Approval
from habitue.plans import thresholds_passed
from habitue.report import WEB, cost, count, percent, rule_words, words
from habitue.shop import Shop
from habitue.tables import Channel, RunState, Segment, State, run
from habitue.texts import long_date

MANY_EXCLUDED = 0.5
"""Where more of the audience is left out than this, something may be wrong with the data."""


def question(house: House, run_id: str, *, at: datetime) -> tuple[str, str]:
    """Subject and body of the question whether the run may leave, as it is at this moment; the same for the same
    ledger and files. LedgerError where the run is not planned."""
    shop, language = house.shop, house.shop.language
    say = words(language)["question"]
    found = controls.approvals(house.engine, run_id, at=at)
    with house.engine.connect() as connection:
        row = connection.execute(select(run).where(run.c.run_id == run_id)).mappings().one()
        account = Account.of(connection, run_id)
        warned = [*_warnings(row, account, shop), *controls.warnings(controls.fared(connection, run_id), shop.breaker)]
    if changed := controls.changes(house.engine, run_id, shop):
        warned.append(say["changed"].format(what=", ".join(changed), run_id=run_id))
    campaign = Campaign.model_validate(row["settings"])
    by_segment, by_channel = crossed(account.messages, "segment", "channel"), totals(account.messages, "channel")
    spent = totals(account.messages, "channel", "cost_micros")
    excluded = totals(account.exclusions, "rule", "customers")
    last_day = (row["deliver_until"] - timedelta(microseconds=1)).astimezone(shop.tz).date()
    body = (
        _environment(language)
        .get_template("question.md.j2")
        .render(
            say=say,
            run=row,
            day=long_date(row["on_date"], language),
            cost=cost(row["cost_micros"], shop.currency, language),
            reasons=list(_reasons(row, campaign, found, say)),
            given=found.given,
            warnings=warned,
            channels=[channel for channel in Channel if channel in by_channel],
            groups=[(name, by_segment[name]) for name in Segment if name in by_segment],
            by_channel=by_channel,
            costs={channel: cost(micros, shop.currency, language) for channel, micros in spent.items()},
            exclusions=[
                (*rule_words(rule, language), number)
                for rule, number in sorted(excluded.items(), key=lambda item: (-item[1], item[0]))
            ],
            arms=sorted(totals(account.messages, "arm").items()),
            until=long_date(last_day, language),
            hours=campaign.window.hours,
            page=f"/habitue/runs/{quote(run_id)}",
            mails=previews_page(run_id) if Channel.EMAIL in by_channel else None,
        )
    )
    subject = say["subject"].format(
        title=campaign.title.get(language, campaign.name),
        day=long_date(row["on_date"], language),
        n=count(row["planned"], language),
    )
    return subject, body.strip() + "\n"


def previews_page(run_id: str) -> str:
    """Where the run's sample mails are looked at, relative to Airflow's address."""
    return f"/habitue/emails/{previews_folder(run_id)}/index.html"


def previews_folder(run_id: str) -> str:
    """The folder of the run's sample mails, below that of the mails."""
    return f"samples/{run_id.replace(':', '-')}"


def _environment(language: str) -> Environment:
    pages = Environment(  # noqa: S701 - Markdown, of numbers and of our own words
        loader=FileSystemLoader(WEB), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters["count"] = lambda number: count(number, language)
    pages.globals["words"] = words(language)
    return pages


def _reasons(row: RowMapping, campaign: Campaign, found: Approvals, say: Any) -> Iterator[str]:
    """Why a person is asked."""
    shop = Shop.model_validate(row["shop"])
    counts = Counts(**{name: row[name] for name in Counts.__dataclass_fields__})
    passed = thresholds_passed(campaign, shop, counts)
    for limit in passed:
        value, above = (
            count(number, shop.language) if limit.what == "recipients" else cost(number, shop.currency, shop.language)
            for number in (limit.value, limit.above)
        )
        yield say["why_above"][limit.what].format(value=value, above=above) + (
            f" {say['two']}" if limit.persons == 2 else ""
        )
    if found.late:
        yield say["late"]
    if found.needed and not passed:
        yield say["taken_in"]


def _warnings(row: RowMapping, account: Account, shop: Shop) -> Iterator[str]:
    """What is worth a look before saying yes."""
    say = words(shop.language)["question"]
    states = totals(account.messages, "state")
    cancelled = states.get(State.CANCELLED, 0)
    gone = sum(states.values()) - sum(states.get(state, 0) for state in (State.PLANNED, State.CLAIMED)) - cancelled
    if row["state"] == RunState.PAUSED:
        yield say["paused"]
    if gone:
        yield say["gone"].format(n=count(gone, shop.language))
    if cancelled:
        yield say["shrunk"].format(n=count(cancelled, shop.language))
    if row["excluded"] > MANY_EXCLUDED * row["audience"]:
        yield say["many_excluded"].format(share=percent(row["excluded"] / row["audience"], shop.language))


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
