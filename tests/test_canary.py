"""Customers with names, addresses and numbers like no others: whatever a campaign does, and however it fails, none of
them is found in a log, an exception, an XCom, a table of Airflow, our journal, or what a provider hears beside a mail.
"""

from __future__ import annotations

import csv
import json
import logging
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, Text, cast, inspect, literal_column, select, text
from sqlalchemy import table as sql_table
from tests.crash.town import AT, KEY, ON, house, settle

from collector import Collector, told_all
from conftest import ROOT
from habitue import plans, runs, tokens
from habitue.airflow_home import AirflowHome
from habitue.database import connect
from habitue.errors import HabitueError
from habitue.house import House
from habitue.tables import message
from loopback import Faults, running
from sendgrid_stub import SendGridStub
from smtp_sink import SmtpSink

CANARY = re.compile(r"zz.?canar|199[\s.]?00[\s.]?4\d|1[\s.]99[\s.]00[\s.]4\d", re.IGNORECASE)
"""Names, streets and addresses of the canaries, and the block of numbers that is theirs alone."""
DAGS = ("customer_base", "quarterly_letter", "winback_calls")
PEOPLE = 300
CLIENT = re.compile(r"client\d+@|(Pr.nom|Nom)\d", re.IGNORECASE)
"""The people of tests/crash/town.py."""


@pytest.fixture
def canaries(tmp_path: Path, exports: Path) -> Path:
    """The demonstration shop with everyone renamed; what was missing stays missing, what was spoilt stays spoilt."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for file in exports.iterdir():
        if file.name != "clients.csv":
            (folder / file.name).symlink_to(file)
    with (exports / "clients.csv").open(newline="") as old, (folder / "clients.csv").open("w", newline="") as new:
        rows = csv.DictReader(old, delimiter=";")
        out = csv.DictWriter(new, rows.fieldnames or [], delimiter=";")
        out.writeheader()
        for number, row in enumerate(rows):
            row["nom"] = row["nom"] and f"Zzcanari{number}"
            row["prenom"] = row["prenom"] and f"Zzcanaria{number}"
            row["adresse"] = row["adresse"] and f"{number} rue du Zzcanari"
            if "@" in row["courriel"]:
                row["courriel"] = f"zz-canari-{number}@example.fr"
            if len(re.sub(r"\D", "", row["telephone"])) >= 10:
                row["telephone"] = f"01 99 00 4{number % 10} {number % 100:02}"
            out.writerow(row)
    return folder


def shown(place: str, found: str, canary: re.Pattern[str], text_: str) -> str:
    """Where a canary was found, without the canary."""
    start = text_.index(found)
    return f"{place}: {canary.sub('<canary>', text_[max(0, start - 120) : start])}<canary>"


def sightings(canary: re.Pattern[str], places: Iterator[tuple[str, str]]) -> list[str]:
    return [shown(place, found[0], canary, said) for place, said in places if (found := canary.search(said))]


def rows(engine: Engine) -> Iterator[tuple[str, str]]:
    """Every row of every table, as text."""
    with engine.connect() as connection:
        for table in inspect(engine).get_table_names():
            whole_row = cast(literal_column("known"), Text)
            for row in connection.execute(select(whole_row).select_from(sql_table(table).alias("known"))):
                yield table, row[0]


def files(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield str(path.relative_to(folder)), path.read_bytes().decode(errors="replace")


def test_a_whole_campaign_in_airflow_tells_of_nobody(
    tmp_path: Path, canaries: Path, base: Engine, airflow_database: Callable[[str], URL]
) -> None:
    settings = {
        "HABITUE_SOURCE": "demo_shop",
        "HABITUE_DATA": str(canaries),
        "HABITUE_OUT": str(tmp_path / "out"),
        "HABITUE_DATABASE_URL": base.url.render_as_string(hide_password=False),
        "HABITUE_TODAY": "2026-10-01",
    }
    url = airflow_database("airflow_canary")
    home = AirflowHome(tmp_path / "airflow", url)
    with running(Collector()) as collector:
        done = subprocess.run(
            [sys.executable, str(ROOT / "tests" / "play_canary.py"), "2026-10-01", *DAGS],
            env=home.environment(settings) | collector.settings | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG"},
            capture_output=True,
            text=True,
            check=False,
        )
    said = done.stdout + done.stderr
    assert done.returncode == 0, "the run failed; see what it printed with the canaries' file"
    assert [line for line in said.splitlines() if line in {f"{dag}: success" for dag in DAGS}] == [
        f"{dag}: success" for dag in DAGS
    ]
    told_all(collector, said, base)
    airflow = connect(url)
    known = list(rows(airflow))
    airflow.dispose()
    logs = [*files(home.home), ("output", said)]
    links = signed(base, House.of(settings).secret)

    assert links
    assert sightings(CANARY, iter([*known, *logs])) == []
    assert not [place for place, what in [*known, *logs] if any(link in what for link in links)]
    # They were there all the while: in what the campaign made, and in the base.
    assert sightings(CANARY, rows(base))
    assert sightings(CANARY, files(tmp_path / "out" / "emails"))


def signed(base: Engine, secret: bytes) -> list[str]:
    """The tokens of the mails' unsubscribe links."""
    with base.connect() as connection:
        return [
            tokens.sign(one, secret)
            for one in connection.scalars(message.select().with_only_columns(message.c.message_id))
        ]


@pytest.mark.parametrize("kind", ["smtp", "sendgrid"])
def test_a_provider_that_repeats_their_addresses_makes_nobody_known(
    kind: str, tmp_path: Path, base: Engine, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Servers answer `550 <her@address> is not wanted`; of that the codes alone may be kept."""
    caplog.set_level(logging.DEBUG)
    provider = bad_provider(kind, tmp_path)
    raised: list[str] = []
    with running(provider) as there:
        here = house(tmp_path / "out", base.url.render_as_string(hide_password=False), port=there.port, kind=kind)
        run_id = settle(here, people=PEOPLE, delivery="at_most_once")
        for _ in range(6):
            for shard in plans.shards(here.engine, run_id):
                try:
                    runs.deliver(here, str(shard), on=ON, now=lambda: AT)
                except HabitueError as error:
                    raised += ["".join(traceback.format_exception(error)), repr(error)]
        here.engine.dispose()
    with base.connect() as connection:
        states = dict(connection.execute(text("select state, count(*) from message group by state")).all())  # type: ignore[arg-type]
    ledger = [(table, row) for table, row in rows(base) if table not in ("customer",)]
    journal = files(tmp_path / "out" / "runs")
    logged = [("log", caplog.text), *(("log", record.getMessage()) for record in caplog.records)]
    printed = [("output", "".join(capfd.readouterr()))]

    assert {"accepted", "refused"} <= states.keys()
    assert sightings(CLIENT, iter([*ledger, *journal, *logged, *printed])) == []
    assert sightings(CLIENT, iter(("exception", said) for said in raised)) == []
    if isinstance(provider, SendGridStub):
        assert provider.asked
        assert sightings(CLIENT, iter(besides_the_mail(provider.asked))) == []
        assert {key for asked in provider.asked for one in asked["personalizations"] for key in one["custom_args"]} == {
            "message_id"
        }


def bad_provider(kind: str, folder: Path) -> Any:
    record = folder / "taken"
    if kind == "smtp":
        chances = {"rcpt 550": 0.1, "rcpt 450": 0.05, "dot 554": 0.05, "mail 550": 0.02, "reset early": 0.02}
        return SmtpSink(record, faults=Faults(chances, seed=1, most=60), delay=0)
    faults = Faults({"garbage 400": 0.1, "429": 0.05, "reset late": 0.05, "401": 0.02}, seed=1, most=20)
    return SendGridStub(record, key=KEY, faults=faults)


def besides_the_mail(asked: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """What SendGrid keeps for long and shows in its pages: everything but whom the mail is for and what it says."""
    for request in asked:
        known = {key: value for key, value in request.items() if key not in ("personalizations", "content", "subject")}
        yield "request", json.dumps(known, ensure_ascii=False)
        for one in request["personalizations"]:
            rest = {key: value for key, value in one.items() if key not in ("to", "subject", "substitutions")}
            yield "personalization", json.dumps(rest, ensure_ascii=False)


def test_the_search_finds_what_it_looks_for() -> None:
    """So that an empty list means that nobody is there."""
    for said in ("Madame ZZCANARI4", "zz-canari-7@example.fr", "+33199004512", "01 99 00 45 12"):
        assert CANARY.search(said), said
    assert CLIENT.search("client4@example.fr")
    assert CLIENT.search("Prénom12")
    found = sightings(CANARY, iter([("log", "to zz-canari-7@example.fr")]))
    assert found == ["log: to <canary>"]
