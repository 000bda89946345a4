"""The command line speaks in sentences."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

from conftest import ROOT


def habitue(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "habitue"), *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=PLAIN)


PLAIN = {"PATH": "/usr/bin:/bin", "COLUMNS": "200", "NO_COLOR": "1", "HOME": "/nonexistent"}


def test_anyone_can_sort_customers_with_one_command(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(
        "customer_id,order_id,ordered_at,amount\n"
        "007,1,2026-09-01,120.50\n007,2,2026-06-01,80\n007,3,2026-03-01,99\n007,4,2026-01-15,75\n"
        "008,5,2024-01-01,30\n009,6,2026-09-20,-12\n"
    )
    done = habitue("segment", "orders.csv", "--on", "2026-10-01", "--out", "groups.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "groups.csv").open(newline="", encoding="utf-8") as table:
        rows = {row["customer_id"]: row["segment"] for row in csv.DictReader(table)}
    assert rows == {"007": "regular_heavy", "008": "lapsed", "009": "prospect"}
    assert "regular_heavy" in done.stdout


def test_a_missing_file_is_a_sentence_and_not_a_traceback(tmp_path: Path) -> None:
    done = habitue("segment", "nowhere.csv", "--on", "2026-10-01", "--out", "groups.csv", cwd=tmp_path)
    assert done.returncode == 1
    assert "nowhere.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_source_is_told_which_there_are(tmp_path: Path) -> None:
    done = habitue("demo", "--source", "till", "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 1
    assert "source till is not known; there are" in " ".join(done.stderr.split())
    assert "online_retail" in done.stderr
    assert not (tmp_path / "var").exists()


def test_a_source_of_files_wants_its_folder(tmp_path: Path) -> None:
    done = habitue("demo", "--source", "online_retail", "--data", "nowhere", cwd=tmp_path)
    assert done.returncode == 1
    assert "source online_retail reads files: say in which folder they are" in " ".join(done.stderr.split())
    assert not (tmp_path / "var").exists()


def test_every_command_has_a_help_text(tmp_path: Path) -> None:
    told = habitue("--help", cwd=tmp_path).stdout
    for command in ("demo-shop", "segment", "demo", "up", "down", "db", "plan"):
        assert command in told
    assert habitue("down", cwd=tmp_path).stdout.strip() == "nothing is running"


def test_make_help_names_every_target(tmp_path: Path) -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("demo", "up", "down", "test", "lint", "bench"):
        assert f"  {target} " in done.stdout


def test_only_the_demonstration_that_was_played_can_live_on(tmp_path: Path) -> None:
    done = habitue("demo-quarter", "--out", "nothing", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing holds no demonstration: run `habitue demo --out nothing` first" in done.stderr
    (tmp_path / "real").mkdir()
    known = {"HABITUE_SOURCE": "online_retail", "HABITUE_DATA": str(tmp_path / "exports")}
    (tmp_path / "real" / "site.json").write_text(json.dumps(known))
    done = habitue("demo-quarter", "--out", "real", cwd=tmp_path)
    assert done.returncode == 1
    assert "real holds another shop's house (source online_retail)" in done.stderr
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["site.json"]
