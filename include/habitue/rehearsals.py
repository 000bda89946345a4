"""Rehearsals: what a plan would come to, without planning it.

1. In one transaction, alone as a plan is, everything is decided as for a real plan (`decisions`).
2. What an earlier run came to is read from the ledger: the campaign's last one, and this very run if it was planned.
3. Temporary views put the rehearsed plan where the ledger is, and the same questions are asked of it.
4. The transaction is rolled back, always: no run, no message, no draw of the shop's holdout is kept.

Ids and codes are salted otherwise than a plan's: what a sample shows is valid nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, select

from habitue.accounts import Account, Excluded, HeldOut, totals
from habitue.allowances import days_needed
from habitue.campaigns import Campaign, find_campaign
from habitue.costs import CostLine, PriceList, cost_lines, price_list
from habitue.decisions import Counts, Question, decide
from habitue.errors import LedgerError
from habitue.house import House
from habitue.plans import Base, Threshold, approvals_needed, one_at_a_time, run_id, salt, standing, thresholds_passed
from habitue.shop import Language, Shop
from habitue.statements import statement
from habitue.suppressions import MarkKey
from habitue.tables import Channel, run

Say = Callable[[str], None]
"""Told what is being done now."""


@dataclass(frozen=True, slots=True)
class Planned:
    """So many messages of a group, by a channel, in an arm of the test."""

    segment: str
    channel: str
    arm: str | None
    messages: int
    cost_micros: int


@dataclass(frozen=True, slots=True)
class ChannelCost:
    channel: str
    messages: int
    cost_micros: int
    lines: tuple[CostLine, ...]
    """what it is made of"""


@dataclass(frozen=True, slots=True)
class Change:
    """A number of an earlier run, and what it would be now."""

    name: str
    then: int
    now: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rehearsed plan beside an earlier run. The customers are those who got, or would get, a message."""

    run_id: str
    on: date
    planned_at: datetime
    state: str
    totals: tuple[Change, ...]
    """audience, planned, held_out, excluded, cost_micros"""
    channels: tuple[Change, ...]
    segments: tuple[Change, ...]
    rules: tuple[Change, ...]
    stayed: int
    joined: int
    gone: int


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a plan would come to: numbers and rules, nothing of any customer. Money in millionths of `currency`."""

    run_id: str
    campaign: str
    title: dict[Language, str]
    on: date
    rehearsed_at: datetime
    currency: str
    snapshot_id: str
    snapshot_age_days: int
    too_old: bool
    """the snapshot is older than a real plan allows (shop.yaml validation.most_snapshot_age_days)"""
    audience: int
    planned: int
    held_out: int
    excluded: int
    cost_micros: int
    budget_micros: int | None
    approvals_needed: int
    thresholds: tuple[Threshold, ...]
    """why so many persons must say yes"""
    leaves_from: date
    leaves_before: datetime
    leaves_hours: str | None
    window_days: int
    mail_days: int | None
    """the days that its e-mails need at the shop's warm-up or daily cap; None where it sets none"""
    messages: tuple[Planned, ...]
    holdout: tuple[HeldOut, ...]
    exclusions: tuple[Excluded, ...]
    costs: tuple[ChannelCost, ...]
    already: Comparison | None
    """this very run, where it is planned already"""
    before: Comparison | None
    """the campaign's last run before this day"""

    @property
    def too_slow(self) -> bool:
        """Whether the send window would be over before all its e-mails could leave."""
        return self.mail_days is not None and self.mail_days > self.window_days

    @property
    def budget_left_micros(self) -> int | None:
        return None if self.budget_micros is None else self.budget_micros - self.cost_micros


def as_json(found: Rehearsal) -> dict[str, Any]:
    """The rehearsal as JSON has it: days and moments as ISO 8601."""
    plain: dict[str, Any] = _plain(asdict(found))
    return {**plain, "budget_left_micros": found.budget_left_micros}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value


def rehearse(house: House, campaign_name: str, *, on: date, at: datetime) -> Rehearsal:
    """What the campaign's run of that date would come to, planned at the moment `at`; nothing is written.

    LedgerError where there is no customer base to stand on. One too old for a real plan is taken, and said so.
    """
    with rehearsed(house, campaign_name, on=on, at=at) as (_, found):
        return found


@contextmanager
def rehearsed(
    house: House, campaign_name: str, *, on: date, at: datetime, say: Say = lambda _: None
) -> Iterator[tuple[Connection, Rehearsal]]:
    """The rehearsal and its transaction, in which `message` and `customer` are those of the rehearsed plan."""
    campaign = find_campaign(campaign_name, house.shop)
    snapshot = house.last_snapshot(on)
    say("weighing the letters")
    prices = price_list(campaign, house.shop, on)
    base = Base(snapshot.id, snapshot.segments, snapshot.customers)
    with draft(
        house.engine,
        campaign,
        on=on,
        at=at,
        shop=house.shop,
        base=base,
        taken_on=snapshot.on,
        secret=house.secret,
        prices=prices,
        say=say,
    ) as drafted:
        yield drafted


@contextmanager
def draft(
    engine: Engine,
    campaign: Campaign,
    *,
    on: date,
    at: datetime,
    shop: Shop,
    base: Base,
    taken_on: date,
    secret: bytes,
    prices: PriceList,
    say: Say = lambda _: None,
) -> Iterator[tuple[Connection, Rehearsal]]:
    """As `rehearsed`, of a campaign and a base (of the day `taken_on`) that are given."""
    asked = Question(campaign, shop, on, run_id(campaign, on), at, prices)
    with engine.connect() as connection:  # rolled back at its end
        one_at_a_time(connection)
        with standing(connection, base, MarkKey(secret)):
            say("deciding about everyone")
            counts = decide(connection, asked, salt(secret, f"rehearsal of {asked.run_id}"))
            say("counting")
            earlier = [_Earlier.of(connection, row) for row in _earlier_runs(connection, asked)]
            now = _rehearsed_account(connection, asked.run_id)
            _must_add_up(asked.run_id, counts, now)
            age = (on - taken_on).days
            compared = {one.row["run_id"]: one.compared(counts, now) for one in earlier}
            yield (
                connection,
                Rehearsal(
                    run_id=asked.run_id,
                    campaign=campaign.name,
                    title=campaign.title,
                    on=on,
                    rehearsed_at=at,
                    currency=shop.currency,
                    snapshot_id=base.snapshot_id,
                    snapshot_age_days=age,
                    too_old=age > shop.validation.most_snapshot_age_days,
                    **asdict(counts),
                    budget_micros=None if campaign.budget is None else campaign.budget * 10_000,
                    approvals_needed=approvals_needed(campaign, shop, counts),
                    thresholds=tuple(thresholds_passed(campaign, shop, counts)),
                    leaves_from=on,
                    leaves_before=campaign.window.ends(on, shop.tz),
                    leaves_hours=campaign.window.hours,
                    window_days=campaign.window.days,
                    mail_days=days_needed(shop.sender, totals(now.messages, "channel").get(Channel.EMAIL, 0), on=on),
                    messages=_messages(now),
                    holdout=now.held_out,
                    exclusions=now.exclusions,
                    costs=_costs(now, prices),
                    already=compared.pop(asked.run_id, None),
                    before=next(iter(compared.values()), None),
                ),
            )


def _earlier_runs(connection: Connection, asked: Question) -> list[RowMapping]:
    """This run, if it was planned, and the campaign's last one before it."""
    mine = select(run).where(run.c.campaign == asked.campaign.name)
    return [
        *connection.execute(mine.where(run.c.run_id == asked.run_id)).mappings(),
        *connection.execute(mine.where(run.c.on_date < asked.on).order_by(run.c.on_date.desc()).limit(1)).mappings(),
    ]


@dataclass(frozen=True, slots=True)
class _Earlier:
    """An earlier run, as the ledger has it."""

    row: RowMapping
    account: Account
    stayed: int
    joined: int
    gone: int

    @classmethod
    def of(cls, connection: Connection, row: RowMapping) -> _Earlier:
        moved = connection.execute(statement("rehearsal/movement"), {"earlier": row["run_id"]}).one()
        return cls(row, Account.of(connection, row["run_id"]), moved.stayed, moved.joined, moved.gone)

    def compared(self, counts: Counts, now: Account) -> Comparison:
        then = self.account
        return Comparison(
            run_id=self.row["run_id"],
            on=self.row["on_date"],
            planned_at=self.row["planned_at"],
            state=self.row["state"],
            totals=tuple(Change(name, self.row[name], number) for name, number in asdict(counts).items()),
            channels=_changes(totals(then.messages, "channel"), totals(now.messages, "channel")),
            segments=_changes(totals(then.messages, "segment"), totals(now.messages, "segment")),
            rules=_changes(totals(then.exclusions, "rule", "customers"), totals(now.exclusions, "rule", "customers")),
            stayed=self.stayed,
            joined=self.joined,
            gone=self.gone,
        )


def _changes(then: dict[str, int], now: dict[str, int]) -> tuple[Change, ...]:
    return tuple(Change(name, then.get(name, 0), now.get(name, 0)) for name in sorted(then.keys() | now.keys()))


def _rehearsed_account(connection: Connection, wanted: str) -> Account:
    """The rehearsed plan in numbers; from here on it stands before the ledger."""
    connection.execute(statement("rehearsal/run"), {"run_id": wanted})
    for name in ("messages", "exclusions", "holdout"):
        connection.execute(statement(f"rehearsal/{name}"))
    return Account.of(connection, wanted)


def _must_add_up(wanted: str, counts: Counts, now: Account) -> None:
    found = Counts(
        audience=counts.planned + counts.held_out + counts.excluded,
        planned=sum(row.messages for row in now.messages),
        held_out=sum(row.customers for row in now.held_out),
        excluded=sum(row.customers for row in now.exclusions),
        cost_micros=sum(row.cost_micros for row in now.messages),
    )
    if found != counts:
        raise LedgerError(f"{wanted}: the rehearsal does not add up ({counts} against {found})")


def _messages(now: Account) -> tuple[Planned, ...]:
    found: dict[tuple[str, str, str | None], tuple[int, int]] = {}
    for row in now.messages:
        key = (row.segment, row.channel, row.arm)
        messages, cost = found.get(key, (0, 0))
        found[key] = (messages + row.messages, cost + row.cost_micros)
    return tuple(Planned(*key, *numbers) for key, numbers in found.items())


def _costs(now: Account, prices: PriceList) -> tuple[ChannelCost, ...]:
    numbers, costs = totals(now.messages, "channel"), totals(now.messages, "channel", "cost_micros")
    lines = cost_lines(
        ((Channel(row.channel), row.template, row.language, row.segment, row.messages) for row in now.messages), prices
    )
    return tuple(
        ChannelCost(channel, numbers[channel], costs[channel], lines[channel])
        for channel in Channel
        if channel in numbers
    )
