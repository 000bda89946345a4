"""Snapshots: published whole or not at all, never changed, and the same lines delivered twice count once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from habitue.errors import HabitueError, LedgerError
from habitue.lake import Draft, Lake, Snapshot

Line = tuple[str, str, date, int]
"""Order, customer, day, cents."""

ORDERS = pa.schema(
    [
        *((name, pa.string()) for name in ("order_id", "customer_id")),
        ("ordered_at", pa.timestamp("us")),
        *((name, pa.string()) for name in ("product_code", "product_name")),
        ("quantity", pa.float64()),
        ("amount_cents", pa.int64()),
    ]
)
SEPTEMBER = date(2026, 9, 30)
SOME_LINES: list[Line] = [
    ("1", "anna", date(2026, 7, 14), 1200),
    ("2", "boris", date(2026, 9, 3), 800),
    ("3", "anna", date(2026, 9, 22), 2500),
    ("4", "anna", date(2026, 9, 30), 700),
]


def check(folder: Path, lines: Sequence[Line], people: Sequence[str] = ("anna", "boris")) -> Path:
    """A checked folder as the validation leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        (order, who, datetime(day.year, day.month, day.day, 10), "TEA", "Thé", 1.0, cents)  # noqa: DTZ001
        for order, who, day, cents in lines
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in ORDERS]
    pq.write_table(pa.table(columns, schema=ORDERS), folder / "orders.parquet")
    pq.write_table(pa.table({"customer_id": list(people)}), folder / "customers.parquet")
    pq.write_table(pa.table({"customer_id": pa.array([], pa.string())}), folder / "consents.parquet")
    pq.write_table(pa.table({"customer_id": ["boris"], "rule": ["bad_postcode"]}), folder / "problems.parquet")
    (folder / "quarantine").mkdir(exist_ok=True)
    reasons = ["bad_date", "bad_date", "no_amount"]
    pq.write_table(pa.table({"order_id": ["7", "8", "9"], "reason": reasons}), folder / "quarantine" / "orders.parquet")
    (folder / "validation.json").write_text(json.dumps({"profile": {"customers": len(people)}}))
    return folder


def segment(draft: Draft) -> None:
    everybody = pq.read_table(draft.customers).column("customer_id")
    pq.write_table(pa.table({"customer_id": everybody, "segment": ["lapsed"] * len(everybody)}), draft.segments)


def publish(lake: Lake, checked: Path, on: date = SEPTEMBER, since: date | None = None) -> Snapshot:
    control = {"orders": {"read": 4, "kept": 4, "left_out": {}}}
    return lake.publish(checked, on=on, control=control, since=since, settings={"window_days": 365}, segments=segment)


def held(snapshot: Snapshot) -> list[tuple[str, str, int]]:
    """Order, day, cents: in order of the order numbers."""
    lines = duckdb.read_parquet([str(path) for path in snapshot.orders])
    return lines.project("order_id, strftime(ordered_at, '%m-%d'), amount_cents").order("order_id").fetchall()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_an_empty_lake_has_no_snapshot(lake: Lake) -> None:
    assert lake.latest() is None
    assert lake.latest(SEPTEMBER) is None
    with pytest.raises(LedgerError, match="snapshot 2026-09-30 is not in the lake; there are none"):
        lake.snapshot("2026-09-30")


def test_a_snapshot_says_what_is_in_it(lake: Lake, tmp_path: Path) -> None:
    snapshot = publish(lake, check(tmp_path / "checked", SOME_LINES))
    assert (snapshot.id, snapshot.on, snapshot.orders_until, snapshot.fresh) == (
        "2026-09-30",
        SEPTEMBER,
        SEPTEMBER,
        True,
    )
    assert snapshot.manifest == json.loads((snapshot.path / "manifest.json").read_text())
    assert snapshot.manifest["orders"]["rows"] == len(SOME_LINES)
    assert [part["month"] for part in snapshot.manifest["orders"]["parts"]] == ["2026-07", "2026-09"]
    assert {name: entry["rows"] for name, entry in snapshot.manifest["files"].items()} == {
        "customers.parquet": 2,
        "consents.parquet": 0,
        "problems.parquet": 1,
        "segments.parquet": 2,
        "quarantine/orders.parquet": 3,
    }
    assert snapshot.manifest["rejects"] == {"orders": {"bad_date": 2, "no_amount": 1}}
    assert snapshot.manifest["segments"] == {"lapsed": 2}
    assert snapshot.manifest["profile"] == {"customers": 2}
    assert snapshot.manifest["settings"] == {"window_days": 365}
    assert snapshot.manifest["control"]["orders"]["read"] == 4
    for path in (snapshot.customers, snapshot.consents, snapshot.problems, snapshot.segments, *snapshot.orders):
        assert path.is_file()
        assert not path.stat().st_mode & 0o222
    assert lake.verify(snapshot) == []


def test_the_latest_snapshot_is_the_last_one_up_to_a_day(lake: Lake, tmp_path: Path) -> None:
    publish(lake, check(tmp_path / "checked", SOME_LINES))
    publish(lake, check(tmp_path / "next", []), on=date(2026, 10, 2), since=SEPTEMBER + timedelta(days=1))
    assert lake.ids() == ["2026-09-30", "2026-10-02"]
    found = {day: getattr(lake.latest(date(2026, *day)), "id", None) for day in ((9, 29), (9, 30), (10, 1), (10, 2))}
    assert list(found.values()) == [None, "2026-09-30", "2026-09-30", "2026-10-02"]
    assert getattr(lake.latest(), "id", None) == "2026-10-02"


def test_the_nine_days_twice_count_once_and_a_correction_is_taken(lake: Lake, tmp_path: Path) -> None:
    first = publish(lake, check(tmp_path / "checked", SOME_LINES))
    since = SEPTEMBER - timedelta(days=9)
    again = [
        ("3", "anna", date(2026, 9, 22), 2500),  # as it was
        ("4", "anna", date(2026, 9, 30), 650),  # corrected
        ("5", "boris", date(2026, 9, 23), 300),  # entered late
        ("6", "anna", date(2026, 10, 1), 900),
    ]
    second = publish(lake, check(tmp_path / "again", again), on=date(2026, 10, 1), since=since)
    assert held(second) == [
        *(("1", "07-14", 1200), ("2", "09-03", 800), ("3", "09-22", 2500)),
        *(("4", "09-30", 650), ("5", "09-23", 300), ("6", "10-01", 900)),
    ]
    third = publish(lake, check(tmp_path / "again", again), on=date(2026, 10, 2), since=since)
    assert held(third) == held(second)
    assert third.orders == second.orders
    assert third.orders[0] == first.orders[0]  # July: nobody touched it
    assert held(first) == [(order, f"{day:%m-%d}", cents) for order, _, day, cents in SOME_LINES]
    assert lake.verify(first) == []


def test_a_line_taken_back_by_the_shop_is_gone(lake: Lake, tmp_path: Path) -> None:
    publish(lake, check(tmp_path / "checked", SOME_LINES))
    second = publish(lake, check(tmp_path / "again", []), on=date(2026, 10, 1), since=date(2026, 9, 22))
    assert [order for order, _, _ in held(second)] == ["1", "2"]


def test_an_interval_over_the_turn_of_the_month_keeps_what_came_before(lake: Lake, tmp_path: Path) -> None:
    publish(lake, check(tmp_path / "checked", SOME_LINES))
    lines = [("8", "boris", date(2026, 9, 30), 100), ("9", "boris", date(2026, 10, 5), 100)]
    second = publish(lake, check(tmp_path / "again", lines), on=date(2026, 10, 5), since=SEPTEMBER)
    assert [order for order, _, _ in held(second)] == ["1", "2", "3", "8", "9"]
    third = publish(lake, check(tmp_path / "third", []), on=date(2026, 10, 6), since=date(2026, 10, 6))
    assert held(third) == held(second)


def test_a_month_of_before_there_were_codes_is_joined_with_lines_that_have_them(lake: Lake, tmp_path: Path) -> None:
    publish(lake, check(tmp_path / "first", SOME_LINES), SEPTEMBER)
    later = check(tmp_path / "later", [("5", "anna", date(2026, 9, 30), 900)])
    lines = pq.read_table(later / "orders.parquet")
    pq.write_table(lines.append_column("offer_code", pa.array(["TEA5"])), later / "orders.parquet")
    snapshot = publish(lake, later, date(2026, 10, 1), since=date(2026, 9, 30))
    held = pa.concat_tables([pq.read_table(path) for path in snapshot.orders], promote_options="default")
    assert dict(zip(held["order_id"].to_pylist(), held["offer_code"].to_pylist(), strict=True)) == {
        **dict.fromkeys(("1", "2", "3")),
        "5": "TEA5",
    }


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    many = [(str(n), f"c{n % 97}", SEPTEMBER - timedelta(days=n % 60), n) for n in range(20_000)]
    shuffled = random.Random(1).sample(many, len(many))
    one = publish(Lake(tmp_path / "one"), check(tmp_path / "a", many))
    two = publish(Lake(tmp_path / "two"), check(tmp_path / "b", shuffled))
    assert one.manifest["orders"] == two.manifest["orders"]
    assert one.manifest["content"] == two.manifest["content"]


def test_published_twice_it_is_published_once(lake: Lake, tmp_path: Path) -> None:
    first = publish(lake, check(tmp_path / "checked", SOME_LINES))
    written = (first.path / "manifest.json").stat().st_mtime_ns
    again = publish(lake, check(tmp_path / "checked", SOME_LINES))
    assert (first.fresh, again.fresh) == (True, False)
    assert again.manifest == first.manifest
    assert (first.path / "manifest.json").stat().st_mtime_ns == written
    assert [path.name for path in lake.snapshots.iterdir()] == ["2026-09-30"]


def test_a_published_date_is_never_written_over(lake: Lake, tmp_path: Path) -> None:
    first = publish(lake, check(tmp_path / "checked", SOME_LINES))
    with pytest.raises(
        LedgerError, match=r"2026-09-30 is published and is never changed.*in customers\.parquet, orders/"
    ):
        publish(lake, check(tmp_path / "other", SOME_LINES[:3], people=["anna"]))
    assert lake.verify(first) == []
    assert len(held(first)) == len(SOME_LINES)


def test_a_changed_and_a_missing_file_are_found(lake: Lake, tmp_path: Path) -> None:
    snapshot = publish(lake, check(tmp_path / "checked", SOME_LINES))
    snapshot.orders[0].unlink()
    snapshot.segments.chmod(0o644)
    snapshot.segments.write_bytes(snapshot.segments.read_bytes() + b" ")
    assert lake.verify(snapshot) == [
        f"{snapshot.manifest['orders']['parts'][0]['file']} of snapshot 2026-09-30 is missing",
        "segments.parquet of snapshot 2026-09-30 was changed after it was published",
    ]


def test_no_day_may_go_unread(lake: Lake, tmp_path: Path) -> None:
    checked = check(tmp_path / "checked", SOME_LINES)
    with pytest.raises(LedgerError, match="want a snapshot before 2026-09-30 to build on"):
        publish(lake, checked, since=date(2026, 7, 1))
    publish(lake, checked)
    quiet = check(tmp_path / "quiet", [])
    with pytest.raises(LedgerError, match="nobody read the orders between 2026-09-30 and 2026-10-02"):
        publish(lake, quiet, on=date(2026, 10, 3), since=date(2026, 10, 2))
    with pytest.raises(LedgerError, match="the interval ends before it begins"):
        publish(lake, quiet, on=date(2026, 10, 3), since=date(2026, 10, 4))


@pytest.mark.parametrize("stray", [date(2026, 9, 29), date(2026, 10, 4)])
def test_orders_outside_their_interval_are_refused(lake: Lake, tmp_path: Path, stray: date) -> None:
    publish(lake, check(tmp_path / "checked", SOME_LINES))
    with pytest.raises(LedgerError, match="1 order lines lie outside 2026-09-30 to 2026-10-03"):
        publish(lake, check(tmp_path / "x", [("8", "anna", stray, 1)]), on=date(2026, 10, 3), since=SEPTEMBER)


def test_without_segments_nothing_is_published(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"has no segments\.parquet; segment it before"):
        lake.publish(
            check(tmp_path / "checked", SOME_LINES),
            on=SEPTEMBER,
            control={},
            since=None,
            settings={},
            segments=lambda draft: None,
        )
    assert lake.latest() is None


def test_what_no_snapshot_uses_is_pruned_and_nothing_else(lake: Lake, tmp_path: Path) -> None:
    first = publish(lake, check(tmp_path / "checked", SOME_LINES))
    draft = lake.prepare(
        check(tmp_path / "next", [("9", "anna", date(2026, 10, 1), 5)]),
        on=date(2026, 10, 1),
        control={},
        since=date(2026, 10, 1),
        settings={},
    )
    assert lake.prune() == 0  # the draft may still be published
    for path in sorted(draft.path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    draft.path.rmdir()
    assert lake.prune() == 1
    assert lake.verify(first) == []


PROGRAM = """
    import os, resource, signal, sys
    from datetime import date
    from pathlib import Path
    from habitue.errors import HabitueError
    from habitue.lake import Lake
    import pyarrow as pa, pyarrow.parquet as pq

    lake, checked, what = Lake(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]

    def segment(draft):
        if what == "killed before commit":
            os.kill(os.getpid(), signal.SIGKILL)
        pq.write_table(pa.table({"customer_id": ["anna"], "segment": ["lapsed"]}), draft.segments)

    import habitue.lake
    if what == "killed before the rename":
        habitue.lake._to_disk = lambda path, real=habitue.lake._to_disk: (
            os.kill(os.getpid(), signal.SIGKILL) if path.name.startswith(".draft-") else real(path)
        )
    if what == "disk full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    try:
        lake.publish(checked, on=date(2026, 10, 1), control={}, since=date(2026, 9, 1), settings={}, segments=segment)
    except HabitueError as error:
        print(error)
        sys.exit(3)
"""


def run_in_another_process(lake: Lake, checked: Path, what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(lake.root), str(checked), what],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def a_big_day(folder: Path) -> Path:
    rng = random.Random(3)
    lines = [
        (f"{rng.random()}", f"c{rng.randrange(10**9)}", date(2026, 10, 1), rng.randrange(10**9)) for _ in range(40_000)
    ]
    return check(folder, lines)


@pytest.mark.parametrize("what", ["killed before commit", "killed before the rename"])
def test_a_killed_night_leaves_the_last_good_snapshot_in_force(lake: Lake, tmp_path: Path, what: str) -> None:
    first = publish(lake, check(tmp_path / "checked", SOME_LINES))
    tonight = check(tmp_path / "tonight", [("9", "anna", date(2026, 10, 1), 500)])
    assert run_in_another_process(lake, tonight, what).returncode == -signal.SIGKILL
    assert lake.ids() == ["2026-09-30"]
    assert lake.verify(first) == []
    publish(lake, tonight, on=date(2026, 10, 1), since=date(2026, 9, 1))
    assert lake.ids() == ["2026-09-30", "2026-10-01"]
    assert [path.name for path in lake.snapshots.glob(".draft-*")] == []


def test_a_full_disk_leaves_the_last_good_snapshot_in_force(lake: Lake, tmp_path: Path) -> None:
    first = publish(lake, check(tmp_path / "checked", SOME_LINES))
    tonight = a_big_day(tmp_path / "tonight")
    full = run_in_another_process(lake, tonight, "disk full")
    assert full.returncode == 3, full.stderr
    assert "the snapshot of 2026-10-01 could not be written" in full.stdout
    assert "2026-09-30 stays in force" in full.stdout
    assert sorted(path.name for path in lake.snapshots.iterdir()) == ["2026-09-30"]
    assert not list((lake.root / "orders").rglob("*.part"))
    assert lake.verify(first) == []
    assert publish(lake, tonight, on=date(2026, 10, 1), since=date(2026, 9, 1)).fresh


def test_a_disk_that_fills_up_while_committing_is_a_sentence(lake: Lake, tmp_path: Path) -> None:
    def too_much(draft: Draft) -> None:
        segment(draft)
        # The manifest can't be written: its name is taken by a folder, as good as a disk that is full just then.
        (draft.path / "manifest.json").mkdir()

    with pytest.raises(HabitueError, match=r"could not be written .* there is none yet"):
        lake.publish(
            check(tmp_path / "checked", SOME_LINES),
            on=SEPTEMBER,
            control={},
            since=None,
            settings={},
            segments=too_much,
        )
    assert lake.ids() == []


def test_settings_and_control_are_kept_with_the_snapshot_and_what_the_caller_adds(lake: Lake, tmp_path: Path) -> None:
    draft = lake.prepare(
        check(tmp_path / "checked", SOME_LINES),
        on=SEPTEMBER,
        control={},
        since=None,
        settings={"lapsed_after_days": 180},
    )
    segment(draft)
    extra: dict[str, Any] = {"movement": {"lapsed": 2}, "id": "mine"}
    snapshot = lake.commit(draft, extra)
    assert (snapshot.manifest["movement"], snapshot.id) == ({"lapsed": 2}, "2026-09-30")
    assert snapshot.manifest["settings"] == {"lapsed_after_days": 180}
