"""Erasures: nothing of the person is found anywhere, every count stays, and no import brings them back."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from fsspec.implementations.local import LocalFileSystem
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from habitue import customer_base, dossiers, erasures, holds, runs, tombstones
from habitue.cli import app
from habitue.desk import Desk
from habitue.errors import LedgerError
from habitue.hand_over import Folder
from habitue.house import House
from habitue.plans import Shard
from habitue.print_room import Letters
from habitue.replays import replay
from habitue.tables import Channel, Hold
from lived_in import NEXT, lived, one, person, town
from search import needles, search
from test_runs import ON, STEPS, house, night, now

__all__ = ["house", "lived", "night", "town"]


class Struck(BaseException):
    """The worker dies."""


def traces(*people: dict[str, Any]) -> dict[str, str]:
    return {f"{who['customer_id']} {name}": value for who in people for name, value in needles(who).items()}


def ask(house: House, *ids: str) -> None:
    erasures.order(house.engine, ids, rule="asked", by="olga", reason="asked by letter", at=now())


def figures(house: House) -> dict[str, Any]:
    """What reports are made of: of every snapshot, of the ledger."""
    found: dict[str, Any] = {}
    for snapshot_id in house.lake.ids():
        snapshot = house.lake.snapshot(snapshot_id)
        with duckdb.connect() as duck:
            duck.read_parquet([str(path) for path in snapshot.orders]).create_view("orders")
            duck.read_parquet(str(snapshot.segments)).create_view("segments")
            duck.read_parquet(str(snapshot.customers)).create_view("customers")
            found[snapshot_id] = [
                duck.sql(question).fetchall()
                for question in (
                    "select count(*), count(distinct customer_id), sum(amount_cents) from orders",
                    "select segment, tier, count(*), sum(amount_cents), sum(lifetime_cents) from segments "
                    "group by all order by all",
                    "select letter_barrier, email_barrier, call_barrier, count(*) from customers group by all "
                    "order by all",
                )
            ]
        found[f"{snapshot_id} counts"] = {name: entry["rows"] for name, entry in snapshot.manifest["files"].items()}
    questions = (
        "select run_id, channel, segment, arm, state, count(*), sum(cost_micros), sum(pages) from message "
        "group by 1, 2, 3, 4, 5",
        "select * from shard",
        "select run_id, segment, rule, count(*) from exclusion group by 1, 2, 3",
        "select run_id, segment, channel, scope, count(*), sum(draw) from holdout group by 1, 2, 3, 4",
        "select segment, tier, count(*), sum(amount_cents), sum(lifetime_cents), sum(score) from segment group by 1, 2",
        "select audience, planned, held_out, excluded from run",
        "select kind, count(*) from outcome group by 1",
        "select channel, status, count(*) from consent group by 1, 2",
    )
    with house.engine.connect() as connection:
        for question in questions:
            found[question] = sorted(map(repr, connection.execute(text(question)).all()))
    return found


def summary(house: House) -> dict[str, Any]:
    return dict(json.loads((house.out / "summary.json").read_text()))


def test_nothing_of_anna_boris_and_emma_is_found_and_every_figure_stays(town: House) -> None:
    anna, boris, emma = (person(town, channel) for channel in ("letter", "call", "email"))
    ids = [who["customer_id"] for who in (anna, boris, emma)]
    for one_id in ids:
        dossiers.write_dossier(town, one_id, at=now())
    wanted = traces(anna, boris, emma)
    before = search(town, wanted)
    places = {place.split("/")[0] for place, _ in before}
    assert {"customer", "posts", "lake", "work", "letters", "runs", "emails", "calls", "persons"} <= places
    assert {needle for _, needle in before} == wanted.keys()
    counted, told = figures(town), summary(town)

    ask(town, *ids)
    done = erasures.complete(town, at=now())

    assert done.people == 3
    assert search(town, wanted) == set()
    assert figures(town) == counted
    assert summary(town) == told
    assert not (town.out / "erasing").exists()
    for snapshot_id in town.lake.ids():
        assert town.lake.verify(town.lake.snapshot(snapshot_id)) == []
    assert done.taken["letters"] >= 4  # as made and as handed over, and again as it was printed again
    for lot in lots(town):
        subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], cwd=lot, check=True)
    assert done.taken["calls"] == 2
    assert one(town, "select count(*) from suppression where source = 'erasure'") >= 8
    again = erasures.complete(town, at=now())
    assert (again.people, sum(again.taken.values())) == (0, 0)


def lots(house: House) -> list[Path]:
    return sorted(path for path in house.out.rglob("LOT-*") if path.is_dir())


def rows_of(lot: Path) -> list[dict[str, str]]:
    with (lot / "manifest.csv").open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter=";"))


def test_in_the_lots_she_stands_in_nobody_else_moves_and_the_print_shop_still_knows_them(town: House) -> None:
    """One of them was printed again for her alone."""
    anna = person(town, "letter")
    theirs = "select message_id from message where channel = 'letter' and customer_id = :id"
    letter = str(one(town, theirs, id=anna["customer_id"]))
    before = {lot: rows_of(lot) for lot in lots(town) if letter in {row["letter_id"] for row in rows_of(lot)}}
    assert len(before) == 4
    ask(town, anna["customer_id"])
    erasures.complete(town, at=now())
    named = {"postcode", "country", *(f"l{place}" for place in range(1, 8))}
    for lot, rows in before.items():
        sha256 = hashlib.sha256((lot / f"{lot.name}.pdf").read_bytes()).hexdigest()
        for was, now_ in zip(rows, rows_of(lot), strict=True):
            hers = dict.fromkeys(named, "") if was["letter_id"] == letter else {}
            assert now_ == {**was, "pdf_sha256": sha256, **hers}
        assert f"SHA-256 {sha256}" in (lot / "README.txt").read_text("utf-8")
    with town.engine.connect() as connection:
        question = text("select run_id, number from lot join lot_letter using (lot_id) where message_id = :id")
        places = connection.execute(question, {"id": letter}).all()
    assert len(places) == 2
    for run_id, number in places:
        made = Letters(Desk.of(town, Shard(run_id, Channel.LETTER, number))).bindery.made(number)
        assert made is not None
        assert made.earlier
        printer = Folder(LocalFileSystem(), str(town.out / "letters"), "file:///here")
        assert printer.taken(made)
        done = town.out / "letters" / made.name / f"{made.name}.done"
        done.write_text(f"{made.earlier[0]}  SHA256SUMS\n")  # elsewhere it lies as it was handed over
        assert printer.taken(made)
        done.write_text(f"{'0' * 64}  SHA256SUMS\n")
        with pytest.raises(LedgerError, match="with other letters"):
            printer.taken(made)
        assert one(town, "select pdf_sha256 from lot where lot_id = :id", id=made.name) == made.pdf_sha256
    marks = "select count(letter_mark) from lot_letter where message_id = :id"
    assert one(town, marks, id=letter) == 0


def test_a_lot_that_a_dead_worker_left_unfinished_goes_and_is_made_again_without_her(house: House) -> None:
    parts = runs.plan(house, "quarterly_letter", on=ON, at=now())
    (part,) = [part for part in parts if Shard.parse(part).channel is Channel.LETTER]
    runs.render(house, part)
    anna = one(house, "select customer_id from message where channel = 'letter' order by position limit 1")
    (lot,) = lots(house)
    lot.with_name(f"{lot.name}.json").unlink()  # the last that is written
    ask(house, anna)
    erasures.complete(house, at=now())
    assert list(lot.iterdir()) == []
    runs.render(house, part)
    planned = one(house, "select count(*) from message where state = 'planned' and channel = 'letter' and shard = 1")
    assert len(rows_of(lot)) == planned


def test_the_next_night_goes_well_and_brings_nobody_back(town: House) -> None:
    anna, boris = person(town, "letter"), person(town, "call")
    wanted = traces(anna, boris)
    ask(town, anna["customer_id"])
    erasures.complete(town, at=now())
    ask(town, boris["customer_id"])  # while the night is between validate and segment
    for step in ("segment", "publish"):
        getattr(customer_base, step)(town, NEXT)
    erasures.complete(town, at=now())
    customer_base.load(town, NEXT, at=now() + timedelta(days=1))
    later = NEXT + timedelta(days=1)
    for step in STEPS:  # the shop still delivers both
        getattr(customer_base, step)(town, later)
    customer_base.load(town, later, at=now() + timedelta(days=2))

    assert search(town, wanted) == set()
    assert one(town, "select count(*) from customer where gone is null") == one(town, "select count(*) from segment")
    problems = town.lake.snapshot(later.isoformat()).problems
    with duckdb.connect() as duck:
        named = duck.execute(f"select customer_id from '{problems}'").fetchall()  # noqa: S608
    assert not {anna["customer_id"], boris["customer_id"]} & {row[0] for row in named}
    told = json.loads((town.lake.snapshot(later.isoformat()).path / "validation.json").read_text())
    assert {part["barriers"]["erased"] for part in told["reachability"].values()} == {2}
    runs.plan(town, "winback_calls", on=later, at=now() + timedelta(days=2))
    mine = {"id": boris["customer_id"], "run": f"winback_calls:{later}"}
    assert one(town, "select rule from exclusion where customer_id = :id and run_id = :run", **mine) == "erased"


def test_a_snapshot_from_before_can_not_bring_her_back_into_the_base(house: House) -> None:
    """Published, then erased elsewhere, then loaded: the load itself asks."""
    anna = one(house, "select customer_id from customer where email is not null and street is not null limit 1")
    with house.engine.begin() as connection:
        connection.execute(text("delete from snapshot"))
        connection.execute(text("truncate customer, consent, segment"))
    ask(house, anna)
    customer_base.load(house, ON, at=now())
    with house.engine.connect() as connection:
        row = connection.execute(text("select * from customer where customer_id = :id"), {"id": anna}).mappings().one()
        proofs = connection.execute(text("select count(*) from consent where customer_id = :id"), {"id": anna}).scalar()
    assert (row["last_name"], row["email"], row["email_mark"], row["person_mark"], row["household"], proofs) == (
        *[None] * 5,
        0,
    )


def test_struck_down_after_each_step_it_is_done_when_it_was_run_often_enough(
    town: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time its work is done, and not yet written down."""
    boris = person(town, "call")
    wanted, counted = needles(boris), figures(town)
    ask(town, boris["customer_id"])
    marked = erasures._mark_done
    for step in erasures.STEPS:

        def die(engine: Engine, name: str, ids: list[str], last: str = step) -> None:
            if name == last:
                raise Struck
            marked(engine, name, ids)

        monkeypatch.setattr(erasures, "_mark_done", die)
        with pytest.raises(Struck):
            erasures.complete(town, at=now())
        assert one(town, "select finished_at from erasure") is None
    monkeypatch.setattr(erasures, "_mark_done", marked)
    assert erasures.complete(town, at=now()).people == 1
    assert search(town, wanted) == set()
    assert figures(town) == counted
    assert not (town.out / "erasing").exists()


def test_killed_while_a_snapshot_is_being_changed_it_is_whole_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = one(house, "select customer_id from customer where email is not null and street is not null limit 1")
    ask(house, anna)
    moves = 0
    real = Path.replace

    def replaced(self: Path, target: Any) -> Path:
        nonlocal moves
        if ".erased-" in str(self):
            moves += 1
            if moves == 2:
                raise Struck
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replaced)
    with pytest.raises(Struck):
        erasures.complete(house, at=now())
    assert house.lake.verify(house.lake.snapshot(ON.isoformat()))
    erasures.complete(house, at=now())
    assert house.lake.verify(house.lake.snapshot(ON.isoformat())) == []
    assert house.lake.snapshot(ON.isoformat()).erasures == [
        {"on": "2026-10-01", "people": 1, "rows": house.lake.snapshot(ON.isoformat()).erasures[0]["rows"]}
    ]
    customer_base.load(house, ON, at=now())  # the base knows the manifest by its new hash


def test_what_was_planned_for_her_is_cancelled_and_the_run_goes_on(house: House) -> None:
    parts = runs.plan(house, "quarterly_letter", on=ON, at=now())
    for part in parts:
        runs.render(house, part)
    anna = one(house, "select customer_id from message where channel = 'letter' order by 1 limit 1")
    ask(house, anna)
    erasures.complete(house, at=now())
    for part in parts:
        runs.render(house, part)
        runs.deliver(house, part, on=ON, now=now)
    runs.report(house, on=ON)
    assert one(house, "select state || reason from message where customer_id = :id", id=anna) == "cancellederased"
    assert one(house, "select count(*) from message where state <> 'accepted'") == 1
    assert one(house, "select sum(cancelled) from shard") == 1


def test_whom_a_worker_has_in_hand_waits_until_it_has_answered(house: House) -> None:
    runs.plan(house, "quarterly_letter", on=ON, at=now())
    anna, boris = (
        one(house, "select customer_id from message order by customer_id offset :n limit 1", n=n) for n in (0, 5)
    )
    with house.engine.begin() as connection:
        connection.execute(
            text("update message set state = 'claimed', lease_until = :until where customer_id = :id"),
            {"until": now() + timedelta(minutes=5), "id": anna},
        )
    ask(house, anna, boris)
    done = erasures.complete(house, at=now())
    assert (done.people, done.in_hand, done.until) == (1, 1, now() + timedelta(minutes=5))
    assert one(house, "select last_name from customer where customer_id = :id", id=anna) is not None
    later = erasures.complete(house, at=now() + timedelta(minutes=6))
    assert (later.people, later.in_hand) == (1, 0)
    assert one(house, "select last_name from customer where customer_id = :id", id=anna) is None
    assert one(house, "select state from message where customer_id = :id", id=anna) == "unknown"


def test_a_replay_says_that_people_were_erased_and_finds_no_other_difference(town: House, tmp_path: Path) -> None:
    ask(town, person(town, "letter")["customer_id"])
    erasures.complete(town, at=now())
    found = replay(town, f"quarterly_letter:{ON}", out=tmp_path / "again")
    assert found.differences == []
    assert f"snapshot {ON}: 1 people were erased on {ON}" in found.changed
    assert any("of people who were erased" in line for line in found.changed)


def test_the_spouse_with_the_same_address_and_mailbox_stays(house: House) -> None:
    with house.engine.connect() as connection:
        anna, felix = connection.scalars(
            text("select customer_id from customer where email is not null and street is not null limit 2")
        ).all()
    snapshot = house.lake.snapshot(ON.isoformat())
    with duckdb.connect() as duck:  # they share a mailbox
        duck.execute(
            f"create table t as select * replace ('both@example.fr' as email) from '{snapshot.customers}'"  # noqa: S608
        )
        snapshot.customers.unlink()
        duck.execute(f"copy t to '{snapshot.customers}' (format parquet)")
    ask(house, anna)
    erasures.complete(house, at=now())
    with duckdb.connect() as duck:
        rows = duck.execute(
            f"select email, last_name is not null from '{snapshot.customers}' where customer_id in (?, ?) order by 1",  # noqa: S608
            [anna, felix],
        ).fetchall()
    assert rows == [("both@example.fr", True), (None, False)]


def test_a_number_that_nobody_knows_is_not_erased(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HABITUE_OUT", str(house.out))
    monkeypatch.setenv("HABITUE_DATABASE_URL", house.database_url)
    monkeypatch.setenv("HABITUE_SECRET", "for tests only")
    said = CliRunner().invoke(app, ["person", "erase", "nobody", "--reason", "asked", "--by", "olga", "--yes"])
    assert "nothing was erased" in str(said.exception)
    assert one(house, "select count(*) from erasure") == 0
    who = one(house, "select customer_id from customer where email is not null limit 1")
    done = CliRunner().invoke(app, ["person", "erase", who, "--reason", "asked", "--by", "olga", "--yes"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("1 erased")
    assert "Out of reach" in done.output
    assert one(house, "select ordered_by || rule || provider from erasure") == "olgaaskednone"
    with pytest.raises(LedgerError, match="never released"):
        holds.close_hold(house.engine, who, Hold.ERASED, by="olga", at=now())
    assert tombstones.erased(house.engine) == [who]
