"""Why did a customer get what they got? One answer, from the ledger, the frozen campaigns and the snapshots.

A run had a message for them, held them out, or left them out by a rule; or they were not in its audience, which the
ledger does not keep: that is worked out again from where they stood in the run's snapshot. Ids and rules only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy import RowMapping, select

from habitue.campaigns import Campaign
from habitue.errors import LedgerError
from habitue.house import House
from habitue.lake import Lake, Snapshot
from habitue.statements import statement
from habitue.suppressions import check_key
from habitue.tables import Channel, State, run

LOOK_BACK_DAYS = 365
MOST_RUNS = 20
LATELY_DAYS = 90

CUTS = frozenset({"over_capacity", "over_budget"})
"""Rules of a run as a whole: their value is the channel and how it stood, not a rule for each way."""

WAY = re.compile(r"(?:^|, )(letter|email|call) ([a-z_]+)(?: (.+?))?(?=, (?:letter|email|call) [a-z_]+|$)")
"""One way in an exclusion's value: channel, rule, what it saw."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a provider, the post or the desk said of a message."""

    kind: str
    at: str
    source: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of the ledger, whether or not it has left."""

    run_id: str
    on: date
    channel: str
    arm: str | None
    template: str
    language: str
    state: str
    attempt: int
    reason: str | None
    settled_at: datetime | None
    outcomes: tuple[Told, ...]

    @property
    def left(self) -> bool:
        return self.state in (State.ACCEPTED, State.UNKNOWN)

    @property
    def counts(self) -> bool:
        """For the caps, as a plan counts: also what is still to leave."""
        return self.state not in (State.CANCELLED, State.REFUSED)


@dataclass(frozen=True, slots=True)
class HeldOut:
    scope: Literal["campaign", "shop"]
    channel: str
    draw: float
    share: float | None
    """None where an earlier version kept no share"""


@dataclass(frozen=True, slots=True)
class Tried:
    """A rule that closed a way, or all ways (`channel` None), and what it saw."""

    channel: str | None
    rule: str
    saw: str | None


@dataclass(frozen=True, slots=True)
class Unmet:
    """A filter of the campaign that the customer did not pass. `asked` as the file has it; of a region no more is
    shown than the country."""

    name: str
    asked: str
    saw: str | None


@dataclass(frozen=True, slots=True)
class Outside:
    """Not in the audience. `why`: absent (not in the shop's data then), segment, filter, question (the campaign's own),
    no_snapshot, unreadable (frozen by a version that can't be read), unnamed."""

    why: str
    asked: str | None = None
    saw: str | None = None
    filters: tuple[Unmet, ...] = ()


@dataclass(frozen=True, slots=True)
class Became:
    """What became of the customer in a run: exactly one of these."""

    run_id: str
    campaign: str
    on: date
    messages: tuple[Sent, ...] = ()
    held_out: HeldOut | None = None
    rule: str | None = None
    """by which the run left them out"""
    tried: tuple[Tried, ...] = ()
    outside: Outside | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """What was said last of a channel; `rule` says why it may not be used, None where it may."""

    channel: str
    status: str | None
    basis: str | None
    source: str | None
    recorded_at: datetime | None
    valid_until: date | None
    rule: str | None


@dataclass(frozen=True, slots=True)
class OpenHold:
    reason: str
    opened_at: datetime
    opened_by: str


@dataclass(frozen=True, slots=True)
class Suppressed:
    channel: str
    reason: str
    recorded_at: datetime
    source: str


@dataclass(frozen=True, slots=True)
class CapUsed:
    """`name`: a channel, `any`, or `fewer` where the customer has asked for fewer messages."""

    name: str
    used: int
    most: int
    days: int


@dataclass(frozen=True, slots=True)
class Explanation:
    customer_id: str
    on: date
    runs: tuple[Became, ...]
    """newest first"""
    lately: tuple[Sent, ...]
    """what has left within LATELY_DAYS"""
    consents: tuple[Consent, ...]
    holds: tuple[OpenHold, ...]
    suppressions: tuple[Suppressed, ...]
    caps: tuple[CapUsed, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def explain(house: House, customer_id: str, *, on: date, run_id: str | None = None) -> Explanation:
    """What became of the customer in that run, else in the MOST_RUNS last of a year before `on`; what has left for them
    lately, and what would speak against a message now. LedgerError for a customer or a run that nobody knows."""
    shop = house.shop
    since = on - timedelta(
        days=max(LOOK_BACK_DAYS, *(getattr(shop.caps, name).days for name in type(shop.caps).model_fields))
    )
    asked = {"customer_id": customer_id, "run_id": run_id, "on": on, "since": since}
    with house.engine.connect() as connection:
        if not connection.scalar(statement("explain/known"), {"customer_id": customer_id}):
            raise LedgerError(
                f"customer {customer_id} is not known here: give the id as it stands in the shop's data, every digit "
                "of it (customer_id); the last night may not have loaded them yet (the DAG customer_base)"
            )
        check_key(connection, house.mark_key)
        rows = connection.execute(statement("explain/runs"), {**asked, "most": MOST_RUNS}).mappings().all()
        if run_id is not None and not rows:
            last = connection.scalars(select(run.c.run_id).order_by(run.c.number.desc()).limit(5)).all()
            raise LedgerError(f"run {run_id} is not planned; the last ones are {', '.join(last) or 'none'}")
        messages = [_sent(row) for row in connection.execute(statement("explain/messages"), asked).mappings()]
        said = {
            "customer_id": customer_id,
            "channels": [channel.value for channel in Channel],
            "zone": shop.timezone,
            "call_days": shop.calls.consent_days,
            "on": on,
            "end_of_day": datetime.combine(on + timedelta(days=1), time(), shop.tz),
        }
        consents = [Consent(**row) for row in connection.execute(statement("explain/consents"), said).mappings()]
        only = {"customer_id": customer_id}
        holds = [OpenHold(**row) for row in connection.execute(statement("explain/holds"), only).mappings()]
        wish = connection.execute(statement("preferences/last"), only).one_or_none()
        barred = [Suppressed(**row) for row in connection.execute(statement("explain/suppressions"), only).mappings()]
    past = _Past(house.lake, customer_id)
    return Explanation(
        customer_id,
        on,
        runs=tuple(_became(row, messages, past) for row in rows),
        lately=tuple(one for one in messages if one.left and one.on > on - timedelta(days=LATELY_DAYS)),
        consents=tuple(consents),
        holds=tuple(holds),
        suppressions=tuple(barred),
        caps=tuple(_caps_used(house, messages, on, fewer=wish is not None and wish.fewer)),
    )


def _sent(row: RowMapping) -> Sent:
    told = tuple(Told(*one) for one in row["outcomes"] or [])
    return Sent(
        run_id=row["run_id"],
        on=row["on_date"],
        channel=row["channel"],
        arm=row["arm"],
        template=row["template"],
        language=row["language"],
        state=row["state"],
        attempt=row["attempt"],
        reason=row["reason"],
        settled_at=row["settled_at"],
        outcomes=told,
    )


def _caps_used(house: House, messages: list[Sent], on: date, *, fewer: bool) -> Iterator[CapUsed]:
    """As a plan of the day `on` would count them."""
    for name in type(house.shop.caps).model_fields:
        if name == "fewer" and not fewer:
            continue
        cap = getattr(house.shop.caps, name)
        used = [
            one
            for one in messages
            if one.counts and abs((one.on - on).days) < cap.days and name in (one.channel, "any", "fewer")
        ]
        yield CapUsed(name, len(used), cap.most, cap.days)


def _became(row: RowMapping, messages: list[Sent], past: _Past) -> Became:
    known = {"run_id": row["run_id"], "campaign": row["campaign"], "on": row["on_date"]}
    if mine := tuple(one for one in messages if one.run_id == row["run_id"]):
        return Became(**known, messages=mine)
    if row["draw"] is not None:
        share = row["settings"].get("holdout") if row["scope"] == "campaign" else row["shop_share"]
        drawn = HeldOut(row["scope"], row["held_channel"], row["draw"], None if share is None else float(share))
        return Became(**known, held_out=drawn)
    if row["rule"] is not None:
        return Became(**known, rule=row["rule"], tried=tuple(tried(row["rule"], row["value"])))
    return Became(**known, outside=past.outside(row))


def tried(rule: str, value: str | None) -> Iterator[Tried]:
    """What an exclusion says of each way that was tried: `letter unreachable bad_postcode, email no_consent`; of one
    (`call 41 of 40`); or of the person (`2026-06-03`)."""
    if rule in CUTS:
        cut, _, stood = (value or "").partition(" ")
        yield Tried(cut, rule, stood or None)
    elif ways := list(WAY.finditer(value or "")):
        for found in ways:
            yield Tried(found[1], found[2], found[3])
    else:
        yield Tried(None, rule, value)


@dataclass(frozen=True)
class _Past:
    """Where one customer stood in the lake's snapshots."""

    lake: Lake
    customer_id: str
    _seen: dict[str, dict[str, Any] | None] = field(default_factory=dict)

    def outside(self, row: RowMapping) -> Outside:
        """Why the run's audience did not hold them, as `plan/audience` asks."""
        try:
            campaign = Campaign.model_validate(row["settings"])
        except ValidationError:
            return Outside("unreadable")
        if row["snapshot_id"] not in self.lake.ids():
            return Outside("no_snapshot", asked=row["snapshot_id"])
        stood = self._stood(self.lake.snapshot(row["snapshot_id"]))
        if stood is None:
            return Outside("absent", asked=row["snapshot_id"])
        if stood["segment"] not in campaign.groups:
            return Outside("segment", asked=", ".join(campaign.groups), saw=stood["segment"])
        if row["wished_language"]:
            stood = {**stood, "language": row["wished_language"]}
        if unmet := tuple(_unmet(campaign, stood, row["on_date"])):
            return Outside("filter", filters=unmet)
        if campaign.audience.sql is not None:
            return Outside("question", asked=campaign.audience.sql)
        return Outside("unnamed")

    def _stood(self, snapshot: Snapshot) -> dict[str, Any] | None:
        if snapshot.id not in self._seen:
            stood, who = _row(snapshot.segments, self.customer_id), _row(snapshot.customers, self.customer_id)
            self._seen[snapshot.id] = {**who, **stood} if stood and who else None
        return self._seen[snapshot.id]


def _row(file: Path, customer_id: str) -> dict[str, Any] | None:
    import duckdb

    with duckdb.connect() as duck:
        duck.read_parquet(str(file)).create_view("held")
        found = duck.execute("select * from held where customer_id = ?", [customer_id]).fetchone()
        return dict(zip((column[0] for column in duck.description or ()), found, strict=True)) if found else None


def _unmet(campaign: Campaign, stood: Mapping[str, Any], on: date) -> Iterator[Unmet]:
    filters = campaign.audience.filters
    days = (on - stood["last_day"]).days if stood["last_day"] else None
    for name, range_, saw in (
        ("score", filters.score, stood["score"]),
        ("spend", filters.spend, stood["amount_cents"]),
        ("days_since", filters.days_since, days),
    ):
        if range_ is not None and not _within(saw, range_.least, range_.most):
            yield Unmet(name, _asked(name, range_.least, range_.most), None if saw is None else _number(name, saw))
    for name, allowed in (("tier", filters.tier), ("language", filters.language)):
        if allowed is not None and stood[name] not in allowed:
            yield Unmet(name, ", ".join(allowed), stood[name])
    where = f"{stood['country']}-{stood['postcode'] or ''}" if stood["country"] else ""
    if filters.region is not None and not where.startswith(tuple(filters.region)):
        yield Unmet("region", ", ".join(filters.region), stood["country"])


def _within(saw: int | None, least: int | None, most: int | None) -> bool:
    return saw is not None and (least is None or saw >= least) and (most is None or saw <= most)


def _asked(name: str, least: int | None, most: int | None) -> str:
    """`10-30`, `≥ 10`, `≤ 30`."""
    if least is None:
        return f"≤ {_number(name, most or 0)}"
    return f"≥ {_number(name, least)}" if most is None else f"{_number(name, least)}-{_number(name, most)}"


def _number(name: str, value: int) -> str:
    return f"{value / 100:.2f}" if name == "spend" else str(value)
