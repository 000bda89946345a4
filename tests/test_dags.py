"""House rules over all DAGs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, text

from conftest import ROOT

NOT_SET_UP = {"returned_mails", "provider_suppressions"}
"""What the demonstration shop leaves out of the hourly round."""
TAGS = {"habitue", "base", "campaign", "broken", "image", "product", "outcomes"}


@pytest.fixture(scope="module")
def dagbag():
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(ROOT / "dags"))


def test_there_is_one_dag_for_the_base_and_one_for_each_campaign(dagbag) -> None:
    assert dagbag.import_errors == {}
    files = sorted((ROOT / "include" / "campaigns").glob("*.yaml"))
    follow_ups = {f"{path.stem}_then" for path in files if "\nthen:" in path.read_text("utf-8")}
    campaigns = {path.stem for path in files}
    assert {"quarterly_letter", "winback_calls"} <= campaigns
    assert set(dagbag.dags) == campaigns | follow_ups | {"customer_base", "outcomes", "quarterly_report"}


def test_every_dag_has_an_owner_a_text_tags_and_retries_that_are_safe(dagbag) -> None:
    for name, dag in dagbag.dags.items():
        assert dag.doc_md, name
        assert set(dag.tags) <= TAGS, name
        assert "broken" not in dag.tags, name
        assert dag.max_active_runs == 1, name
        for task in dag.tasks:
            assert task.owner not in ("airflow", ""), f"{name}.{task.task_id}"
            assert task.retries <= 3


def test_every_campaign_says_what_it_is_and_lets_nothing_leave_before_a_person_may_have_said_yes(dagbag) -> None:
    from approvals import Approval

    from habitue.campaigns import find_campaign
    from habitue.shop import load_shop

    for name, dag in dagbag.dags.items():
        if "campaign" not in dag.tags:
            continue
        campaign = find_campaign(name, load_shop())
        assert campaign.kind in dag.tags, name
        for word in (dag.dag_display_name, campaign.kind, campaign.owner, *campaign.groups):
            assert word in dag.doc_md, f"{name}: its text lacks {word}"
        assert {task.owner for task in dag.tasks} == {campaign.owner}, name
        for step, task_id in enumerate(("approve", "approve_second"), start=1):
            task = dag.get_task(task_id)
            assert task.operator_class is Approval, name
            assert task.partial_kwargs["step"] == step, name
            assert task.trigger_rule == "all_success", name
        above = dag.get_task("deliver").get_flat_relative_ids(upstream=True)
        assert above == {"plan", "render", "ask", "approve", "approve_second"}, name
        assert dag.get_task("deliver").trigger_rule == "all_success", name
        assert dag.get_task("report").upstream_task_ids == {"deliver"}, name


def test_every_step_of_the_hourly_round_stands_for_itself(dagbag) -> None:
    from habitue.gathering import STEPS

    dag = dagbag.dags["outcomes"]
    assert dag.task_ids == list(STEPS)
    assert not any(task.upstream_task_ids or task.downstream_task_ids for task in dag.tasks)
    assert dag.timetable.expression == "20 * * * *"


def test_unpausing_never_sends_a_missed_quarter(dagbag) -> None:
    for name, dag in dagbag.dags.items():
        assert dag.start_date is None, f"{name}: a start in the past sends the last missed run at once"
        assert dag.catchup is False, name


def test_the_quarterly_letter_runs_at_eight_in_the_shops_morning_four_times_a_year(dagbag) -> None:
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import TimeRestriction

    timetable = coerce_to_core_timetable(dagbag.dags["quarterly_letter"].timetable)
    runs = []
    last = None
    for _ in range(4):
        last = timetable.next_dagrun_info(
            last_automated_data_interval=last.data_interval if last else None,
            restriction=TimeRestriction(earliest=datetime(2026, 10, 2, tzinfo=UTC), latest=None, catchup=True),
        )
        runs.append(last.run_after.in_timezone("Europe/Paris").format("YYYY-MM-DD HH:mm"))
    assert runs == ["2027-01-01 08:00", "2027-04-01 08:00", "2027-07-01 08:00", "2027-10-01 08:00"]


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The DAGs of a copy of the project with a broken campaign more, and one by another clock."""
    folder = tmp_path_factory.mktemp("changed")
    copy_of_the_project(folder)
    campaigns = folder / "include" / "campaigns"
    (campaigns / "spring.yaml").write_text("title: {fr: Printemps}\nsurprise: 1\n")
    calls = campaigns / "winback_calls.yaml"
    there = calls.read_text("utf-8").replace('"0 8 5 * *"', '"0 8 5 * *", timezone: America/New_York')
    calls.write_text(there)
    code = (
        f"import json, sys; sys.path[:0] = [{str(folder / 'include')!r}, {str(folder / 'dags')!r}]\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        f"bag = DagBag({str(folder / 'dags')!r})\n"
        "def told(dag):\n"
        "    when = getattr(dag.timetable, 'expression', ''), str(getattr(dag.timetable, 'timezone', ''))\n"
        "    return [*when, dag.dag_display_name, sorted(dag.tags), dag.doc_md]\n"
        "dags = {name: told(dag) for name, dag in bag.dags.items()}\n"
        "print(json.dumps({'errors': bag.import_errors, 'dags': dags}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def copy_of_the_project(folder: Path) -> None:
    for part in ("dags", "include"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "fonts"))


def test_a_broken_campaign_is_shown_and_hides_no_other(changed: dict[str, Any]) -> None:
    assert changed["errors"] == {}
    assert {"quarterly_letter", "winback_calls", "customer_base"} < set(changed["dags"])
    *_, tags, text = changed["dags"]["spring"]
    assert "spring.yaml, line 2: surprise: unknown key" in text
    assert "broken" in tags


def test_those_who_were_not_reached_get_a_dag_of_their_own_every_day(dagbag) -> None:
    from habitue.campaigns import find_campaign
    from habitue.shop import load_shop

    dag = dagbag.dags["winback_calls_then"]
    assert dag.timetable.expression == "0 8 * * *"
    assert dag.dag_display_name == dagbag.dags["winback_calls"].dag_display_name + " → call, email"
    found = find_campaign("winback_calls_then", load_shop())
    assert found == find_campaign("winback_calls", load_shop()).follow_up()


def test_dag_files_parse_in_less_than_a_second_beyond_airflows_own() -> None:
    """Nothing heavy is imported for parsing; how long it takes is for `make bench` to say."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'dags')!r})\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        f"bag = DagBag({str(ROOT / 'dags')!r})\n"
        "heavy = {'pandas', 'great_expectations', 'duckdb', 'typst', 'mjml', 'pyarrow', 'faker', 'xlsxwriter'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_all_dags_run_and_run_again_without_writing_to_anyone_twice(
    tmp_path: Path, exports: Path, base: Engine, airflow_database: Callable[[str], URL]
) -> None:
    """Every task of every DAG, as Airflow runs it, on a small shop; then all of them cleared and run again. The report
    of the quarter goes to whom the shop names; the scheduler's run of any day but the first working one makes none."""
    from habitue.airflow_home import AirflowHome

    named = tmp_path / "demo_shop.yaml"
    ours = (ROOT / "include" / "sources" / "demo_shop.yaml").read_text("utf-8")
    named.write_text(f"{ours}\nshop: {{report: {{to: [direction@example.org]}}}}\n", "utf-8")
    settings = {
        "HABITUE_SOURCE": str(named),
        "HABITUE_DATA": str(exports),
        "HABITUE_OUT": str(tmp_path / "out"),
        "HABITUE_DATABASE_URL": base.url.render_as_string(hide_password=False),
        "HABITUE_TODAY": "2026-10-01",
    }
    home = AirflowHome(tmp_path / "airflow", airflow_database("airflow_tests"))
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "play_dags.py"), "2026-10-01"],
        env=home.environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    *rounds, late = json.loads(done.stdout.strip().splitlines()[-1])
    assert late == {"quarterly_report": {"run": ["success"], "report": ["skipped"]}}
    for states in rounds:
        for dag_id, tasks in states.items():
            skipped = {name for name, found in tasks.items() if found == ["skipped"]}
            assert skipped == (NOT_SET_UP if dag_id == "outcomes" else set())
            others = [found for name, found in tasks.items() if name not in skipped]
            assert {state for found in others for state in found} == {"success"}, (dag_id, tasks)
    assert len(rounds[0]["quarterly_letter"]["deliver"]) >= 2
    assert rounds[0] == rounds[1]
    with base.connect() as connection:
        states = dict(list(connection.execute(text("select state, count(*) from message group by state"))))
        attempts = connection.scalar(text("select max(attempt) from message"))
        planned = connection.scalar(text("select sum(planned) from run"))
    assert states == {"accepted": planned}
    assert attempts == 1
    reports = list((tmp_path / "out" / "emails").glob("report-2026-Q3-*.eml"))
    assert len(reports) == 1
    assert "quarterly-2026-Q3.fr.pdf" in reports[0].read_text("utf-8")
    mails = len(list((tmp_path / "out" / "emails").glob("*.eml"))) - len(reports)
    with base.connect() as connection:
        assert mails == connection.scalar(text("select count(*) from message where channel = 'email'"))


def test_an_airflow_connection_becomes_a_url_that_sqlalchemy_takes(tmp_path: Path) -> None:
    code = (
        "import wiring; from sqlalchemy import make_url\n"
        "url = make_url(wiring.source_url('shop_db'))\n"
        "print(list(url)[:6], wiring.source_url(None))\n"
    )
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW_CONN_SHOP_DB": "postgres://till:p%40ss%2Fword@db.example:5433/shop",
        "PYTHONPATH": str(ROOT / "dags"),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    said = done.stdout.strip().splitlines()[-1]
    assert said == "['postgresql+psycopg', 'till', 'p@ss/word', 'db.example', 5433, 'shop'] None"


def test_a_backfill_and_a_run_that_only_catches_up_ask_nobody_and_deliver_nothing(tmp_path: Path) -> None:
    """The tasks that ask, and that let messages go, look what kind of run it is before they do anything."""
    code = (
        "import types; from datetime import datetime; from airflow.dag_processing.dagbag import DagBag\n"
        "from airflow.sdk.exceptions import AirflowSkipException\n"
        f"bag = DagBag({str(ROOT / 'dags')!r})\n"
        "ti = types.SimpleNamespace(try_number=2, dag_id='quarterly_letter', task_id='x')\n"
        "ask, deliver = (bag.dags['quarterly_letter'].get_task(name).python_callable for name in ('ask', 'deliver'))\n"
        "for kind, when in (('backfill', '2026-10-01T06:00:00+00:00'), ('scheduled', '2020-01-01T07:00:00+00:00')):\n"
        "    run = types.SimpleNamespace(run_type=kind, logical_date=None, run_after=datetime.fromisoformat(when))\n"
        "    context = {'dag_run': run, 'ti': ti}\n"
        "    for one in (ask, ask.__wrapped__): one.__globals__['get_current_context'] = lambda: context\n"
        "    print(kind, ask())\n"
        "    try: deliver('quarterly_letter:2020-01-01/email/1')\n"
        "    except AirflowSkipException as why: print(why)\n"
    )
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "dags")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    nothing = "a backfill or a run that only catches up delivers nothing"
    assert done.stdout.strip().splitlines()[-4:] == [
        *("backfill [None, None]", nothing),
        *("scheduled [None, None]", nothing),
    ]


def test_a_campaign_keeps_to_the_clock_of_its_own_time_zone_and_its_follow_up_comes_every_day(
    changed: dict[str, Any],
) -> None:
    assert [changed["dags"][name][:3] for name in ("winback_calls", "winback_calls_then", "quarterly_letter")] == [
        ["0 8 5 * *", "America/New_York", "Prendre des nouvelles"],
        ["0 8 * * *", "America/New_York", "Prendre des nouvelles → call, email"],
        ["0 8 1 1,4,7,10 *", "Europe/Paris", "La lettre de la saison"],
    ]


CONNECTIONS = {
    "smtp_default": "smtp://shop:p%40ss%2Fword@mail.shop.example:2525?disable_ssl=true",
    "sendgrid_default": '{"conn_type": "http", "host": "api.eu.sendgrid.com", "password": "p@ss/word"}',
}


CASES: dict[str, tuple[str, dict[str, str]]] = {
    "smtp_default": ("smtp", {"AIRFLOW_CONN_SMTP_DEFAULT": CONNECTIONS["smtp_default"]}),
    "sendgrid_default": ("sendgrid", {"AIRFLOW_CONN_SENDGRID_DEFAULT": CONNECTIONS["sendgrid_default"]}),
    "unknown": ("smtp", {}),
    "a demonstration": ("smtp", {"HABITUE_TODAY": "2026-10-01"}),
}
"""What shop.yaml says it sends by, and what stands in the environment."""


@pytest.fixture(scope="module")
def senders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By what the DAGs' house sends in each case, where shop.yaml names an Airflow connection."""
    folder = tmp_path_factory.mktemp("senders")
    copy_of_the_project(folder)
    settings = folder / "include" / "shop.yaml"
    written = {
        case: settings.read_text("utf-8").replace("kind: outbox", f"kind: {kind}\n  connection: {kind}_default")
        for case, (kind, _) in CASES.items()
    }
    code = (
        "import json, os, sys, wiring; from habitue.errors import SettingError\n"
        "from habitue.providers import open_sender\n"
        "def said():\n"
        "    try: house = wiring.house()\n"
        "    except SettingError as error: return str(error)\n"
        "    sender = open_sender(house.shop, house.access, out=house.out)\n"
        "    found = getattr(sender, 'server', sender)\n"
        "    names = ('host', 'port', 'security', 'username', 'password', 'base_url', 'key')\n"
        "    known = [getattr(found, name, None) for name in names]\n"
        "    return f'{type(sender).__name__} {known} {wiring.plays_a_demonstration()}'\n"
        "for case, file, more in json.load(sys.stdin):\n"
        f"    open({str(settings)!r}, 'w').write(file)\n"
        "    sys.stdout.flush(); child = os.fork()  # each case is a process that knows of no other\n"
        "    if not child:\n"
        "        os.environ |= more; print('SAID ' + json.dumps([case, said()]), flush=True); os._exit(0)\n"
        "    assert os.waitpid(child, 0)[1] == 0, case\n"
    )
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "PYTHONPATH": f"{folder / 'include'}:{folder / 'dags'}",
        "HABITUE_DATABASE_URL": "postgresql://nowhere/",
        "HABITUE_OUT": str(folder),
        "HABITUE_DEMONSTRATION": "1",
    }
    asked = json.dumps([(case, written[case], more) for case, (_, more) in CASES.items()])
    done = subprocess.run([sys.executable, "-c", code], env=environment, input=asked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "p@ss/word" not in done.stderr
    lines = [line.removeprefix("SAID ") for line in done.stdout.splitlines() if line.startswith("SAID ")]
    return dict(map(json.loads, lines))


def test_an_airflow_connection_chooses_the_sender(senders: dict[str, str]) -> None:
    smtp, sendgrid = senders["smtp_default"], senders["sendgrid_default"]
    assert smtp == "Smtp ['mail.shop.example', 2525, 'starttls', 'shop', 'p@ss/word', None, None] False"
    assert sendgrid == ("SendGrid [None, None, None, None, None, 'https://api.eu.sendgrid.com', 'p@ss/word'] False")


def test_a_connection_that_airflow_does_not_know_stops_the_run_before_anyone_is_written_to(
    senders: dict[str, str],
) -> None:
    assert "there is no connection smtp_default; add it in Airflow (Admin, Connections)" in senders["unknown"]


def test_a_demonstration_asks_no_connection(senders: dict[str, str]) -> None:
    assert senders["a demonstration"].startswith("Outbox")
