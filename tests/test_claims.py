"""At the claim all is asked again: whatever came between, nobody is written to who must not be, and nobody twice."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from threading import Event as Signal
from threading import Thread
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, insert, select

from habitue import controls, ledger
from habitue.campaigns import Campaign
from habitue.ledger import Outcome
from habitue.limits import Breaker
from habitue.outcomes import Event, record
from habitue.plans import Plan, shards
from habitue.tables import OutcomeKind, RunState, State, message, metadata
from people import AT, ON
from plan_model import Model, Town
from test_controls import a_crowd, claimed, mailed, run_of, states, tallies_are_right, town
from test_plan_properties import desk, living_in, planned
from towns import CHANNELS, SHOP, OneTransaction, campaigns, planned_run, price, somebody_kept_out, towns
from towns import message as a_message

__all__ = ["desk", "town"]


def a_later_run(draw: random.Random, before: Town) -> Town:
    """Another campaign was planned later, and some of it has left meanwhile."""
    autumn = planned_run("later", ON + timedelta(days=draw.choice((0, 1, 28, 40))))
    rows = [
        a_message(autumn["run_id"], who["customer_id"], draw.choice(CHANNELS), 5000 + number, draw.choice([*State]))
        for number, who in enumerate(before.customer)
        if draw.random() < 0.7
    ]
    return replace(before, run=[*before.run, autumn], message=[*before.message, *rows])


def move_on(desk: Connection, before: Town, after: Town) -> None:
    """Brings the base from one state of the town to a later one."""
    for name in ("customer", "consent", "preference", "hold", "suppression"):
        table = metadata.tables[name]
        desk.execute(delete(table))
        if rows := getattr(after, name):
            desk.execute(insert(table), rows)
    for name in ("run", "message"):
        if rows := getattr(after, name)[len(getattr(before, name)) :]:
            desk.execute(insert(metadata.tables[name]), rows)


@settings(max_examples=30)
@given(
    towns(),
    campaigns(scarce=False),
    st.sampled_from((0, 5, 15, 30)),
    st.sampled_from((0, 1, 6)),
    st.booleans(),
    st.randoms(use_true_random=True),
)
def test_who_must_be_left_in_peace_since_the_plan_is_cancelled_by_the_first_rule(
    desk: Connection, before: Town, campaign: Campaign, changes: int, days: int, crowded: bool, chance: random.Random
) -> None:
    after, engine, on = before, OneTransaction(desk), ON + timedelta(days=days)
    for _ in range(changes):
        after = somebody_kept_out(chance, after)
    if crowded:
        after = a_later_run(chance, after)
    with living_in(desk, before):
        done = planned(desk, campaign)
        move_on(desk, before, after)
        for part in shards(engine, done.run_id):  # type: ignore[arg-type]
            place = 0
            while found := ledger.claim(
                engine,  # type: ignore[arg-type]
                part,
                worker="one",
                on=on,
                at=AT + timedelta(days=days),
                shop=SHOP,
                caps=campaign.effective_caps(SHOP),
                most=4,
                after=place,
            ):
                place = found.last
        rows = desk.execute(select(message).where(message.c.run_id == done.run_id)).mappings().all()
    model = Model(after, campaign, SHOP, on, price, planned_on=ON)
    for row in rows:
        why = reason(model, row["customer_id"], row["channel"])
        assert (row["state"], row["reason"]) == (State.CANCELLED if why else State.CLAIMED, why)
        assert row["attempt"] == 1


def reason(model: Model, who: str, channel: str) -> str | None:
    if who not in model.audience:
        return "gone"
    found = model.barred(who) or model.closed(who, channel)
    return found.split(" ")[0] if found else None


MOVES = (
    *("claim", "claim", "claim", "claim again", "settle", "settle", "settle", "expire", "expire again"),
    *("doubt", "record", "resolve", "cancel", "pause", "resume", "later"),
)


@settings(max_examples=30)
@given(
    towns(least=10, most=30, alone=True),
    campaigns(scarce=False),
    st.lists(st.sampled_from(MOVES), min_size=8, max_size=25),
    st.randoms(use_true_random=True),
)
def test_the_tallies_are_right_after_whatever_happens(
    desk: Connection, before: Town, campaign: Campaign, moves: list[str], chance: random.Random
) -> None:
    engine: Engine = OneTransaction(desk)  # type: ignore[assignment]
    with living_in(desk, before):
        done = planned(desk, campaign)
        game = Game(engine, done, campaign, chance)
        for move in moves:
            known = game.states()
            game.play(move)
            now = game.states()
            assert tallies_are_right(engine)
            for one, (state, attempt) in now.items():
                assert attempt >= known[one][1]
                assert state in FOLLOWS[known[one][0]] | {known[one][0]}, move
                if state == State.CLAIMED and known[one][0] == State.PLANNED:
                    assert game.open


P, C, A, R, U, X = State.PLANNED, State.CLAIMED, State.ACCEPTED, State.REFUSED, State.UNKNOWN, State.CANCELLED
FOLLOWS = {P: {C, X, U, A, R}, C: {P, A, R, U, X}, U: {A, R, P, X}, A: set(), R: {A}, X: set()}
"""What a message may become in one move; what is accepted or cancelled stays so, and what is refused too unless an
event says that it was delivered after all."""


class Game:
    """Random moves on a run's messages."""

    def __init__(self, engine: Engine, done: Plan, campaign: Campaign, chance: random.Random) -> None:
        self.engine, self.done, self.campaign, self.chance = engine, done, campaign, chance
        self.at = AT
        self.parts = shards(engine, done.run_id)
        self.claims: Counter[UUID] = Counter()

    def states(self) -> dict[UUID, tuple[str, int]]:
        with self.engine.begin() as connection:
            rows = connection.execute(select(message).where(message.c.run_id == self.done.run_id))
            return {row.message_id: (row.state, row.attempt) for row in rows}

    @property
    def open(self) -> bool:
        return run_of(self.engine, self.done.run_id)["state"] == RunState.OPEN

    def some(self, *wanted: State) -> list[UUID]:
        found = [one for one, (state, _) in self.states().items() if not wanted or state in wanted]
        return self.chance.sample(found, self.chance.randint(0, len(found)))

    def play(self, move: str) -> None:
        worker = self.chance.choice(("one", "two"))
        name, _, again = move.partition(" ")
        if self.parts or name in ("pause", "resume", "later", "cancel"):
            getattr(self, f"_{name}")(worker, bool(again))

    def _claim(self, worker: str, again: bool) -> None:
        part, caps = self.chance.choice(self.parts), self.campaign.effective_caps(SHOP)
        most = self.chance.randint(1, 6)
        found = ledger.claim(
            self.engine, part, worker=worker, on=ON, at=self.at, shop=SHOP, caps=caps, most=most, again=again
        )
        assert len(found.messages) + found.cancelled <= most
        self.claims.update(found.messages)

    def _settle(self, worker: str, again: bool) -> None:
        outcomes = [Outcome(one, self.chance.choice((A, A, R, U, P))) for one in self.some()]
        ledger.settle(self.engine, outcomes, worker=worker, at=self.at)

    def _expire(self, worker: str, again: bool) -> None:
        ledger.expire(self.engine, self.chance.choice(self.parts), at=self.at, again=again)

    def _doubt(self, worker: str, again: bool) -> None:
        claims = {one: self.claims[one] + self.chance.choice((0, 0, 1)) for one in self.some()}
        ledger.doubt(self.engine, claims, at=self.at)

    def _record(self, worker: str, again: bool) -> None:
        events = [
            Event(one, self.chance.choice([*OutcomeKind]), self.at, "sendgrid", f"{one} {self.chance.random()}")
            for one in self.some()
        ]
        record(self.engine, events, rules=Breaker(after=3), at=self.at)

    def _resolve(self, worker: str, again: bool) -> None:
        ledger.resolve(self.engine, {one: (self.chance.choice([A, R, U, P]), "x") for one in self.some()}, at=self.at)

    def _cancel(self, worker: str, again: bool) -> None:
        if self.chance.random() < 0.3:
            controls.cancel(self.engine, self.done.run_id, by="olga", reason="x", at=self.at)

    def _pause(self, worker: str, again: bool) -> None:
        if self.open:
            controls.pause(self.engine, self.done.run_id, by="olga", reason="x", at=self.at)

    def _resume(self, worker: str, again: bool) -> None:
        if run_of(self.engine, self.done.run_id)["state"] == RunState.PAUSED:
            controls.resume(self.engine, self.done.run_id, by="olga", at=self.at)

    def _later(self, worker: str, again: bool) -> None:
        self.at += timedelta(minutes=self.chance.choice((1, 11)))


# With real connections


def many(town: Engine, size: int) -> tuple[Plan, list[Thread], Signal, list[UUID]]:
    """A run of so many mails and four workers who claim them, a few at a time, until told to go home."""
    a_crowd(town, size)
    done, part = mailed(town)
    home, got = Signal(), []

    def work(name: str) -> None:
        while not home.is_set():
            got.extend(claimed(town, part, worker=name, most=2).messages)

    return done, [Thread(target=work, args=(name,)) for name in ("one", "two", "three", "four")], home, got


def test_workers_who_claim_at_once_never_share_a_message(town: Engine) -> None:
    done, workers, home, got = many(town, 300)
    for worker in workers:
        worker.start()
    while states(town, done.run_id).get("planned"):
        pass
    home.set()
    for worker in workers:
        worker.join()
    assert len(got) == len(set(got)) == done.planned


@pytest.mark.parametrize("how", ["pause", "stop", "cancel"])
def test_after_somebody_says_stop_no_claim_is_committed(town: Engine, how: str) -> None:
    """A hundred times, or until all is claimed, while four workers claim without a break."""
    done, workers, home, _ = many(town, 990)
    for worker in workers:
        worker.start()
    rounds = 0
    try:
        while rounds < 100 and states(town, done.run_id).get("planned"):
            rounds += 1
            if how == "pause":
                controls.pause(town, done.run_id, by="olga", reason="x", at=AT)
            elif how == "stop":
                controls.stop_all(town, by="olga", reason="x", at=AT)
            else:
                controls.cancel(town, done.run_id, by="olga", reason="x", at=AT)
            left = states(town, done.run_id)
            for _ in range(3):
                assert states(town, done.run_id) == left
            if how == "pause":
                controls.resume(town, done.run_id, by="olga", at=AT)
            elif how == "stop":
                controls.go(town, by="olga", at=AT)
    finally:
        home.set()
        for worker in workers:
            worker.join()
    assert rounds > (0 if how == "cancel" else 10)
    assert tallies_are_right(town)
