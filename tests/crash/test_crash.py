"""Whatever is killed, nobody is lost and nobody is written to twice. `make crash KILLS=100` tries harder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from tests.crash import harness, town
from tests.crash.servers import Database, database
from tests.crash.verdict import Death, Evidence, figures, findings

from habitue import deliveries
from habitue.mime import Mail
from habitue.plans import shards
from habitue.senders import Receipt, Receipts, Status

SEED = 4


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that the embedded PostgreSQL of root can reach."""
    with tempfile.TemporaryDirectory(prefix="habitue-crash-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Database]:
    """A server of its own: it is struck down."""
    with database(place / "postgres") as found:
        yield found


@pytest.mark.parametrize("kind", ["smtp", "sendgrid"])
def test_killed_workers_lose_nobody_and_write_to_nobody_twice(place: Path, server: Database, kind: str) -> None:
    seen = harness.killed(place, server, kind, messages=400, kills=8, restarts=1, seed=SEED)
    assert findings(seen) == []
    shown = figures(seen)
    assert (shown["lost"], shown["twice"], shown["database restarts"]) == (0, 0, 1)
    assert seen.kills >= 8
    assert seen.in_state("unknown") & set(seen.taken), "none died between the provider's receipt and our settling"


def test_who_would_rather_write_twice_loses_nobody(place: Path, server: Database) -> None:
    seen = harness.killed(place, server, "smtp", messages=120, kills=3, restarts=0, seed=SEED, delivery="at_least_once")
    assert findings(seen) == []
    assert seen.left & seen.in_state("accepted"), "nobody was written to again whose worker had died"


def test_a_restored_database_writes_to_nobody_whom_the_lost_one_wrote_to(place: Path, server: Database) -> None:
    seen = harness.restored(place, server, "smtp", messages=200, seed=SEED)
    assert findings(seen) == []
    assert seen.noted
    assert seen.in_state("accepted")


class Struck:
    """A provider that takes everything, while the database dies."""

    idempotent = False

    def __init__(self, server: Database) -> None:
        self.server = server
        self.taken: list[str] = []

    def send(self, batch: Sequence[Mail]) -> Receipts:
        self.taken += [mail.message_id for mail in batch]
        self.server.strike_down()
        return Receipts([Receipt(mail.message_id, Status.ACCEPTED) for mail in batch])

    def close(self) -> None:
        pass


def test_what_left_while_the_database_died_is_in_doubt_and_does_not_leave_again(
    place: Path, server: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with harness.trial(place, server, "struck", "smtp", 60, claim=25, seed=SEED) as run:
        here = town.house(run.folder / "out", run.address())
        (shard,) = shards(here.engine, run.run_id)
        provider = Struck(server)
        monkeypatch.setattr(deliveries, "CLAIM", 25)
        emails = deliveries.Emails(deliveries.Desk.of(here, shard), provider)
        with pytest.raises(OperationalError):
            emails.deliver(shard, on=town.ON, now=run.now)
        here.engine.dispose()
        server.start()
        assert len(provider.taken) == run.counted("claimed") == 25
        with run.provider() as calm:
            run.finish(calm)
        seen = run.evidence()
    assert seen.in_state("unknown") == set(provider.taken)
    assert seen.in_state("accepted") == set(seen.states) - set(provider.taken) == set(seen.taken)


def test_a_run_that_is_refused_by_half_pauses_itself_and_can_be_resumed(place: Path, server: Database) -> None:
    seen = harness.broken(place, server, "sendgrid", messages=250, seed=SEED)
    assert findings(seen) == []
    assert seen.in_state("refused")


def told(**changes: Any) -> Evidence:
    """A run that is over: one of each, a worker killed with `c` in its hand after it had arrived."""
    states = {"a": "accepted", "b": "refused", "c": "unknown", "d": "cancelled", "e": "accepted"}
    seen = Evidence(
        people=8,
        audience=8,
        planned=5,
        excluded=2,
        held_out=1,
        states=states,
        reasons=dict.fromkeys(states),
        tallies={"accepted": 2, "refused": 1, "unknown": 1, "cancelled": 1},
        taken=["a", "c", "e"],
        swallowed=frozenset(),
        deaths=[Death("worker-1", "killed", frozenset("c"))],
        claim=2,
        delivery="at_most_once",
        kills=1,
        restarts=0,
        seconds=1,
        unwilling=frozenset("d"),
    )
    return replace(seen, **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"taken": ["a", "c", "e", "a"]}, "1 messages arrived more than 1 times"),
        ({"taken": ["a", "c"]}, "1 messages are lost"),
        ({"taken": ["a", "c", "e", "b"]}, "1 messages arrived that count as refused or cancelled"),
        ({"taken": ["a", "c", "e", "z"]}, "the provider took 1 messages that nobody planned"),
        ({"states": {**told().states, "a": "claimed"}}, "1 messages are lost"),
        ({"people": 9}, "5 settled, 2 excluded and 1 held out are not the audience of 8, or not the 9 people"),
        ({"planned": 6}, "5 messages are settled of 5; 6 were planned"),
        ({"tallies": {**told().tallies, "unknown": 0}}, "the shards' tallies say 0 unknown, the messages say 1"),
        ({"deaths": []}, "1 messages count as in doubt, and nothing happened to them"),
        ({"deaths": [Death("worker-1", None, frozenset("c"))]}, "worker-1 ended by itself and left 1 messages"),
        ({"claim": 0}, "worker-1 left 1 messages in doubt; a claim is 0"),
        (
            {"deaths": [Death("worker-1", "killed", frozenset("ce"))]},
            "1 messages were left without an answer and count",
        ),
        ({"noted": frozenset("e")}, "1 messages were left without an answer and count"),
        ({"unwilling": frozenset("ad")}, "1 messages were not cancelled, and their people had said no"),
        ({"taken": list("accceee"), "delivery": "at_least_once"}, None),
        ({"taken": list("acccceee"), "delivery": "at_least_once"}, "1 messages arrived more than 3 times"),
        ({"swallowed": frozenset("c"), "deaths": []}, None),
        ({}, None),
    ],
)
def test_the_verdict_finds_what_is_wrong_and_nothing_else(changes: dict[str, Any], said: str | None) -> None:
    found = findings(told(**changes))
    assert any(sentence.startswith(said) for sentence in found) if said else found == []
