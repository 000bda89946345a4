"""What counts of all that a customer and the shop's systems have said: an import never undoes a customer's own no."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sqlalchemy import Connection, Engine, insert, select, text

from habitue import consents
from habitue.tables import Channel, consent, metadata
from people import ANNA, AT, event

Row = dict[str, Any]
MOMENTS = [AT + timedelta(days=days) for days in (-400, -30, -1, 0, 1, 30)]
SAID = some.builds(
    lambda status, at, direct, way: event(ANNA, way, status, at, direct=direct),
    some.sampled_from(("granted", "granted", "refused", "withdrawn")),
    some.sampled_from(MOMENTS),
    some.booleans(),
    some.sampled_from(("email", "email", "call")),
)
HISTORY = some.lists(
    SAID, max_size=7, unique_by=lambda row: (row["channel"], row["recorded_at"], row["status"], row["direct"])
)


@pytest.fixture(scope="module")
def desk(migrated: Engine) -> Iterator[Connection]:
    with migrated.begin() as connection:
        connection.execute(text(f"truncate {', '.join(metadata.tables)}"))
    with migrated.connect() as connection:
        yield connection


def status(desk: Connection, history: list[Row], before: datetime, *, ahead: bool = False) -> str | None:
    """What counts of e-mails, asked of her alone and, but for what is ahead, of everybody: the same."""
    with desk.begin() as transaction:
        if history:
            desk.execute(insert(consent), history)
        asked = {"who": ANNA, "before": before, "ahead": ahead}
        own = desk.execute(text("select status from last_word(:who, 'email', :before, :ahead, 'UTC')"), asked).all()
        every = desk.execute(text("select customer_id, status from last_words('email', :before, 'UTC')"), asked).all()
        transaction.rollback()
    assert ahead or [row.status for row in own] == [row.status for row in every]
    return own[0].status if own else None


def expected(history: list[Row], before: datetime, *, ahead: bool = False) -> str | None:
    """The rule in words: her own last word first; then, if that is no objection, whoever spoke last."""

    def order(row: Row) -> tuple[datetime, bool, str]:
        return row["recorded_at"], row["status"] != "granted", row["status"]

    told = [
        row
        for row in history
        if row["channel"] == "email" and (row["recorded_at"] < before or (ahead and row["status"] != "granted"))
    ]
    own = sorted((row for row in told if row["direct"]), key=order)
    if own and own[-1]["status"] != "granted":
        told = [row for row in told if row["status"] != "granted"]
    return max(told, key=order)["status"] if told else None


@given(HISTORY, some.sampled_from(MOMENTS), some.booleans())
def test_what_counts_is_what_the_rule_says(desk: Connection, history: list[Row], before: datetime, ahead: bool) -> None:
    assert status(desk, history, before, ahead=ahead) == expected(history, before, ahead=ahead)


@settings(max_examples=60)
@given(HISTORY, some.lists(some.sampled_from(MOMENTS), min_size=1, unique=True))
def test_no_number_of_imported_grants_undoes_what_she_refused_herself(
    desk: Connection, history: list[Row], moments: list[datetime]
) -> None:
    refused = event(ANNA, "email", "withdrawn", AT + timedelta(hours=1), direct=True)
    before = [row for row in history if row["recorded_at"] <= AT]
    grants = [event(ANNA, "email", "granted", at + timedelta(hours=2)) for at in moments]
    after = MOMENTS[-1] + timedelta(days=1)
    assert status(desk, [*before, refused, *grants], after) in ("withdrawn", "refused")
    again = event(ANNA, "email", "granted", after - timedelta(hours=1), direct=True)
    assert status(desk, [*before, refused, *grants, again], after) == "granted"


@pytest.mark.parametrize(("days", "wins"), [(-1, False), (0, False), (1, True)])
def test_against_an_imported_withdrawal_an_imported_grant_wins_only_later(
    desk: Connection, days: int, wins: bool
) -> None:
    history = [event(ANNA, "email", "withdrawn", AT), event(ANNA, "email", "granted", AT + timedelta(days=days))]
    assert status(desk, history, AT + timedelta(days=9)) == ("granted" if wins else "withdrawn")


def test_a_later_imported_objection_counts_against_her_own_yes(desk: Connection) -> None:
    history = [
        event(ANNA, "email", "granted", AT, direct=True),
        event(ANNA, "email", "refused", AT + timedelta(days=1)),
    ]
    assert status(desk, history, AT + timedelta(days=9)) == "refused"


def test_of_two_grants_of_the_same_instant_her_own_counts(desk: Connection) -> None:
    """Hers holds until a day, the imported one for ever; in whichever order they were written down."""
    hers = event(ANNA, "email", "granted", AT, direct=True, valid_until=AT.date())
    imported = event(ANNA, "email", "granted", AT)
    for history in ([hers, imported], [imported, hers]):
        with desk.begin() as transaction:
            desk.execute(insert(consent), history)
            asked = {"who": ANNA, "after": AT + timedelta(days=1)}
            own = text("select valid_until from last_word(:who, 'email', :after, false, 'UTC')")
            every = text("select valid_until from last_words('email', :after, 'UTC')")
            assert desk.scalar(own, asked) == desk.scalar(every, asked) == AT.date()
            transaction.rollback()


def test_a_no_said_twice_is_kept_once_and_each_yes_is_kept(base: Engine) -> None:
    def say(word: consents.Status, hours: int, channel: Channel = Channel.CALL) -> bool:
        with base.begin() as connection:
            at = AT + timedelta(hours=hours)
            return consents.record(connection, ANNA, channel, word, at=at, source="desk", wording_version="oral-1")

    told = [say("withdrawn", 0), say("refused", 1), say("granted", 2), say("granted", 3), say("withdrawn", 4)]
    assert told == [True, False, True, True, True]
    assert say("withdrawn", 5, Channel.EMAIL)
    with base.connect() as connection:
        rows = connection.execute(select(consent).order_by(consent.c.consent_id)).mappings().all()
    assert [row["status"] for row in rows] == ["withdrawn", "granted", "granted", "withdrawn", "withdrawn"]
    assert {(row["direct"], row["source"], row["wording_version"]) for row in rows} == {(True, "desk", "oral-1")}


def test_what_an_import_repeats_in_the_same_instant_stays_beside_her_own_word(base: Engine) -> None:
    with base.begin() as connection:
        connection.execute(insert(consent), event(ANNA, "email", "withdrawn", AT))
        assert consents.record(connection, ANNA, Channel.EMAIL, "withdrawn", at=AT, source="unsubscribe")
        connection.execute(insert(consent), event(ANNA, "email", "granted", AT + timedelta(days=1)))
        found = connection.execute(
            text("select status from last_word(:who, 'email', 'infinity', false, 'UTC')"), {"who": ANNA}
        ).scalar_one()
    assert found == "withdrawn"
