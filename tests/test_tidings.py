"""What engineers see while it works: figures, and lines that name run, shard and message (in Airflow: test_canary)."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from tests.crash.town import AT as THEN
from tests.crash.town import ON, house, settle

from habitue import ledger, plans, runs
from habitue.errors import HabitueError
from habitue.plans import Shard
from habitue.tidings import Tidings
from loopback import Faults, running
from smtp_sink import SmtpSink
from test_canary import CLIENT, sightings

PEOPLE = 120


class Ear:
    """Whoever counts and keeps a log."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.lines: list[dict[str, Any]] = []

    def say(self, level: int, event: str, **about: Any) -> None:
        self.lines.append({"level": level, "event": event, **about})

    def count(self, name: str, number: int) -> None:
        self.counts[name] += number

    @property
    def tidings(self) -> Tidings:
        return Tidings(count=self.count, say=self.say)


def mailed(base: Engine, tmp_path: Path, ear: Ear, *, lost: int = 0) -> str:
    """A run of mails by a server that refuses some; `lost`: so many were in the hands of a worker that died."""
    chances = {"rcpt 550": 0.1, "dot garbage": 0.05}
    with running(SmtpSink(tmp_path / "taken", faults=Faults(chances, seed=1, most=20), delay=0)) as sink:
        there = house(tmp_path / "out", base.url.render_as_string(hide_password=False), port=sink.port, kind="smtp")
        there = replace(there, tidings=ear.tidings)
        run_id = settle(there, people=PEOPLE, delivery="at_most_once")
        if lost:
            caps = {name: getattr(there.shop.caps, name) for name in type(there.shop.caps).model_fields}
            before = THEN - timedelta(hours=1)
            part = Shard(run_id, plans.shards(base, run_id)[0].channel, 1)
            ledger.claim(base, part, worker="dies", on=ON, at=before, shop=there.shop, caps=caps, most=lost)
        for _ in range(3):
            for shard in plans.shards(there.engine, run_id):
                with suppress(HabitueError):
                    runs.deliver(there, str(shard), on=ON, now=lambda: THEN)
        there.engine.dispose()
    return run_id


def test_what_is_counted_is_what_the_ledger_knows(base: Engine, tmp_path: Path) -> None:
    ear = Ear()
    run_id = mailed(base, tmp_path, ear, lost=7)
    with base.connect() as connection:
        asked = text("select state, count(*)::int from message where run_id = :run_id group by state")
        states = dict(connection.execute(asked, {"run_id": run_id}).all())  # type: ignore[arg-type]
    counted = {name.removeprefix("messages.email."): number for name, number in ear.counts.items() if "." in name}
    assert {"accepted", "refused", "unknown"} <= states.keys()
    assert {state: counted[state] for state in states} == states
    assert ear.counts["claims"] == counted["accepted"] + counted["refused"] + counted["unknown"] - 7 + counted.get(
        "held", 0
    )


def test_every_line_names_the_run_and_the_shard_and_each_message_has_its_own(base: Engine, tmp_path: Path) -> None:
    ear = Ear()
    run_id = mailed(base, tmp_path, ear)
    assert {line["run"] for line in ear.lines} == {run_id}
    assert all(line["shard"].startswith(f"{run_id}/email/") for line in ear.lines)
    told = {
        line["message_id"]: line["event"] for line in ear.lines if "message_id" in line and line["event"] != "planned"
    }
    with base.connect() as connection:
        known = connection.execute(text("select message_id::text, state from message where state <> 'planned'")).all()
    assert told == dict(known)  # type: ignore[arg-type]
    quiet = [line for line in ear.lines if line["level"] > logging.DEBUG and line["event"] == "accepted"]
    assert quiet == [], "a million mails that left are no news"
    assert sightings(CLIENT, iter([("lines", repr(ear.lines))])) == []


def test_without_airflow_lines_go_to_pythons_logging(
    base: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear()
    ear.say = Tidings().say  # type: ignore[method-assign]
    caplog.set_level(logging.INFO, "habitue.tidings")
    run_id = mailed(base, tmp_path, ear)
    refused = [line for line in caplog.messages if line.startswith("refused ")]
    assert len(refused) == ear.counts["messages.email.refused"] > 0
    assert all(f"run={run_id}" in line and "message_id=" in line for line in refused)
