"""Whatever comes in whatever order: each purchase is credited once at most, as a reckoning by hand has it, and what
comes again changes nothing."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from earlier_runs import earlier_message, earlier_run
from habitue import credits as book
from habitue import purchases
from habitue.statements import source
from habitue.tables import metadata
from purchase_histories import Line
from staged_base import SCHEMAS

PARIS = ZoneInfo("Europe/Paris")
FIRST = date(2026, 9, 1)
DAYS = st.integers(-2, 40).map(lambda days: FIRST + timedelta(days=days))
PEOPLE = ("anna", "boris", "clara")
CODES = (None, "AAAA", "BBBB", "aa-aa", "NOEL")
WINDOW, CODE_WINDOW = 20, 30
SETTINGS = {"response_days": WINDOW, "treatments": {"x": {"offer": {"valid_days": CODE_WINDOW}}}}
ABOUT = {"since": FIRST, "on": date(2026, 12, 1), "zone": "Europe/Paris", "snapshot_id": "x"}
AT = datetime(2026, 12, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Sent:
    """A message of one of two campaigns, ten days apart; it left at noon of the shop's day `left`."""

    campaign: int
    who: str
    left: int
    state: str
    code: str | None
    bounced: bool

    @property
    def on(self) -> date:
        return FIRST + timedelta(days=10 * self.campaign)

    @property
    def left_at(self) -> datetime:
        return datetime.combine(self.on + timedelta(days=self.left), time(10), UTC)


STATES = ("accepted", "accepted", "accepted", "unknown", "refused", "planned", "cancelled")
MESSAGES = st.lists(
    st.builds(
        Sent,
        campaign=st.integers(0, 1),
        who=st.sampled_from(PEOPLE),
        left=st.integers(0, 5),
        state=st.sampled_from(STATES),
        code=st.sampled_from((None, "AAAA", "BBBB")),
        bounced=st.booleans(),
    ),
    max_size=5,
    unique_by=lambda one: (one.campaign, one.who),
)
LINES = st.lists(
    st.builds(
        Line,
        order=st.sampled_from("123456"),
        who=st.sampled_from(PEOPLE),
        day=DAYS,
        cents=st.integers(-3000, 3000).filter(bool),
        product=st.sampled_from(("TEA", "CUP")),
        code=st.sampled_from(CODES),
        hour=st.sampled_from((9, 15)),
    ),
    max_size=9,
)

Entry = tuple[str, str]
"""Who bought, and the order."""


def bought(lines: list[Line]) -> dict[Entry, tuple[datetime, int, int, set[str]]]:
    """When, sold, returned, codes: line by line, as one would reckon with pencil and paper."""
    lines = [line for line in lines if line.day >= FIRST]
    sold: dict[tuple[str, str, str], int] = defaultdict(int)
    when: dict[tuple[str, str, str], datetime] = {}
    for line in lines:
        if line.cents > 0:
            key = (line.who, line.order, line.product)
            sold[key] += line.cents
            moment = datetime.combine(line.day, time(line.hour))
            when[key] = min(when.get(key, moment), moment)
    back: dict[tuple[str, str, str], int] = defaultdict(int)
    discount: dict[Entry, int] = defaultdict(int)
    last: dict[tuple[str, str, str], datetime] = {}
    amount: dict[tuple[str, str, str], int] = defaultdict(int)
    for line in lines:
        if line.cents < 0:
            key = (line.who, line.order, line.product)
            moment = datetime.combine(line.day, time(line.hour))
            last[key] = max(last.get(key, moment), moment)
            amount[key] -= line.cents
    for (who, order, product), cents in amount.items():
        if (who, order, product) in sold:
            back[who, order, product] += cents
            continue
        earlier = [
            (moment, found)
            for (buyer, found, what), moment in when.items()
            if (buyer, what) == (who, product) and moment <= last[who, order, product]
        ]
        if earlier:
            back[who, max(earlier)[1], product] += cents
        else:
            discount[who, order] += cents
    found: dict[Entry, tuple[datetime, int, int, set[str]]] = {}
    for entry in {key[:2] for key in sold}:
        keys = [key for key in sold if key[:2] == entry]
        paid = sum(sold[key] for key in keys) - discount[entry]
        if paid > 0:
            returned = min(paid, sum(min(back[key], sold[key]) for key in keys))
            said = {
                line.code.replace("-", "").upper() for line in lines if (line.who, line.order) == entry and line.code
            }
            found[entry] = (min(when[key] for key in keys), paid, returned, said)
    return found


def reckoned(messages: dict[UUID, Sent], lines: list[Line]) -> dict[Entry, tuple[UUID, str, int, int]]:
    found = {}
    for (who, order), (moment, paid, returned, codes) in bought(lines).items():
        mine, coded = [], []
        for one, sent in messages.items():
            if sent.state in ("planned", "cancelled"):
                continue
            left = sent.left_at.astimezone(PARIS).replace(tzinfo=None)
            if sent.code in codes and sent.on <= moment.date() <= sent.on + timedelta(days=CODE_WINDOW):
                coded.append((left, one))
            ends = sent.on + timedelta(days=WINDOW)
            counts = sent.state == "accepted" and not sent.bounced
            if sent.who == who and counts and left <= moment and moment.date() <= ends:
                mine.append((left, one))
        if coded or mine:
            rule = "offer_code" if coded else "last_message"
            found[who, order] = (max(coded or mine)[1], rule, paid, returned)
    return found


@pytest.fixture(scope="module")
def desk(migrated: Engine) -> Iterator[Connection]:
    """A connection on which nothing is ever kept, of a base in which nothing was left."""
    with migrated.begin() as connection:
        connection.execute(text(f"truncate {', '.join(metadata.tables)}"))
    with migrated.connect() as connection:
        yield connection


def written(folder: Path, lines: list[Line]) -> Path:
    """A month's file of the lake."""
    file = folder / "9999-12" / "lines.parquet"
    file.parent.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist([line.row() for line in lines], schema=SCHEMAS["orders"]), file)
    return file


def enter(desk: Connection, folder: Path, lines: list[Line], night: int) -> book.Credited:
    about: dict[str, Any] = {**ABOUT, "snapshot_id": f"{night:03}"}
    with purchases.opened([written(folder, lines)], since=FIRST) as duck:
        return book.enter(desk, duck, about=about, at=AT)


def standing(desk: Connection) -> dict[Entry, tuple[UUID, str, int, int]]:
    rows = desk.execute(
        text(
            "select customer_id, order_id, message_id, rule, sum(orders)::int as orders, sum(sold_cents)::int as sold, "
            "sum(returned_cents)::int as returned from credit group by customer_id, order_id, message_id, rule"
        )
    ).all()
    whole = [row for row in rows if row.orders]
    assert all(row.orders == 1 for row in whole)
    assert len({(row.customer_id, row.order_id) for row in whole}) == len(whole), "a purchase is credited twice"
    assert all((row.sold, row.returned) == (0, 0) for row in rows if not row.orders)
    return {(row.customer_id, row.order_id): (row.message_id, row.rule, row.sold, row.returned) for row in whole}


@settings(max_examples=40)
@given(MESSAGES, LINES)
def test_each_purchase_is_the_message_s_that_one_would_reckon_by_hand(
    tmp_path_factory: pytest.TempPathFactory, messages: list[Sent], lines: list[Line]
) -> None:
    ours = {UUID(int=number): one for number, one in enumerate(messages)}
    with purchases.opened([written(tmp_path_factory.mktemp("lines"), lines)], since=FIRST) as duck:
        duck.execute(f"create temp table sent ({book.SENT})")
        for message_id, one in ours.items():
            if one.state not in ("planned", "cancelled"):
                duck.execute("insert into sent values (?, ?, ?, ?, ?, ?, ?, ?, ?)", known_of(message_id, one))
        found = duck.sql(source("credits/wanted")).fetchall()
    assert len({(row[2], row[3]) for row in found}) == len(found), "a purchase is credited twice"
    assert {(row[2], row[3]): (row[0], *row[5:]) for row in found} == reckoned(ours, lines)


def known_of(message_id: UUID, one: Sent) -> list[Any]:
    ends = [one.on + timedelta(days=days) for days in (WINDOW, CODE_WINDOW)]
    counts = one.state == "accepted" and not one.bounced
    left = one.left_at.astimezone(PARIS).replace(tzinfo=None)
    return [message_id, f"c{one.campaign}:{one.on}", one.who, one.code, left, one.on, *ends, counts]


@settings(max_examples=8)
@given(MESSAGES, LINES, st.integers(1, 2), st.randoms(use_true_random=False))
def test_the_book_is_what_one_would_reckon_by_hand_however_the_news_came(
    desk: Connection, tmp_path_factory: pytest.TempPathFactory, messages: list[Sent], lines: list[Line], nights: int,
    chance: random.Random,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("lines")
    with desk.begin() as transaction:
        for campaign in range(2):
            earlier_run(desk, f"c{campaign}", FIRST + timedelta(days=10 * campaign), settings=SETTINGS)
        ours = {
            earlier_message(
                desk, f"c{one.campaign}", one.on, one.who, state=one.state, offer_code=one.code, settled_at=one.left_at
            ): one
            for one in messages
        }
        # Some of it is known on a night, all of it on the last: lines, and which messages reached nobody.
        bounces = [one for one, sent in ours.items() if sent.bounced]
        for night in range(nights):
            enter(desk, folder, chance.sample(lines, chance.randint(0, len(lines))), night)
            standing(desk)
            for one in chance.sample(bounces, chance.randint(0, len(bounces))):
                bounces.remove(one)
                bounce(desk, one)
        for one in bounces:
            bounce(desk, one)
        enter(desk, folder, chance.sample(lines, len(lines)), nights)
        assert standing(desk) == reckoned(ours, lines)
        assert enter(desk, folder, chance.sample(lines, len(lines)), nights + 1) == book.Credited()
        transaction.rollback()


def bounce(desk: Connection, message_id: UUID) -> None:
    desk.execute(
        text(
            "insert into outcome (message_id, kind, occurred_at, recorded_at, source, source_key) "
            "values (:id, 'hard_bounce', :at, :at, 'bounce', cast(:id as text))"
        ),
        {"id": message_id, "at": AT},
    )
