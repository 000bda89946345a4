"""The pages in Airflow's UI are closed until opened; who may act there acts in the ledger, by name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, select, text, update

from conftest import ROOT
from habitue import doubts, ledger
from habitue.campaigns import find_campaign
from habitue.overview import gauges
from habitue.plans import Shard
from habitue.tables import Channel, State, message, run, stop
from people import AT, ON, move_in
from test_plans import CAPS, SHOP, planned

SERVER = """
import json, sys
from pathlib import Path
from starlette.testclient import TestClient
from airflow.api_fastapi.app import create_app
from habitue.web.ops.shell import Allowed
from habitue.web.pages import same_origin
app = create_app(apps="core")
(ours,) = [route.app for route in app.routes if getattr(route, "path", "") == "/habitue"]
def rule(method, route):
    asked = [one.dependency for one in route.dependencies]
    roles = [set(one.roles) for one in asked if isinstance(one, Allowed)]
    return [method, route.path, sorted(set.intersection(*roles)) if roles else None, same_origin in asked]
def say(answer):
    print("ANSWER " + json.dumps(answer), flush=True)
with TestClient(app, follow_redirects=False) as client:
    tokens = {}
    for name, password in json.load(open(sys.argv[1])).items():
        found = client.post("/auth/token", json={"username": name, "password": password})
        tokens[name] = {"authorization": "Bearer " + found.json()["access_token"]}
    say([rule(method, route) for route in ours.routes for method in sorted(route.methods)])
    for line in sys.stdin:
        who, method, path, headers, data = json.loads(line)
        if method == "DAGS":
            from airflow.dag_processing.bundles.manager import DagBundlesManager
            from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
            DagBundlesManager().sync_bundles_to_db()
            sync_bag_to_db(BundleDagBag(path, bundle_path=Path(path), bundle_name="dags-folder"), "dags-folder", None)
            say([0, {}, ""])
            continue
        where = path.removeprefix("airflow:") if path.startswith("airflow:") else "/habitue" + path
        sent = {"json": data} if path.startswith("airflow:") else {"data": data}
        found = client.request(method, where, headers={**tokens.get(who, {}), **headers}, **sent)
        say([found.status_code, dict(found.headers), found.text])
"""

RUN = f"quarterly_letter:{ON}"
WRITES = [f"/runs/{{run_id}}/{act}" for act in ("pause", "resume", "settle", "cancel")] + ["/stop", "/go"]
WHO = {"olga": "ops", "vera": "manager", "anna": "agent"}
"""Airflow lets them all in: olga is its `user`, vera and the call agent anna are its `viewer`s."""
FROM_THE_PAGE = {"sec-fetch-site": "same-origin"}


def at(path: str) -> str:
    """The route's path for a run that there is."""
    act = "pause" if "{run_id}" in path else "stop"
    known = path.replace("{run_id}", RUN).replace("{act}", act).replace("{path:path}", "index.html")
    return re.sub(r"\{\w+\}", "x", known)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str


@dataclass
class Airflow:
    """Airflow's whole API with the plugin in it: vera may look, olga may act, a stranger is nobody."""

    process: subprocess.Popen[str]
    base: Engine

    def hears(self) -> Any:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ANSWER "):
                return json.loads(line.removeprefix("ANSWER "))
        raise AssertionError("Airflow's API did not start")

    def asks(
        self, who: str, method: str, path: str, headers: dict[str, str] | None = None, **data: str | int
    ) -> Answer:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([who, method, path, headers or {}, data or None]) + "\n")
        self.process.stdin.flush()
        return Answer(*self.hears())

    def posts(self, who: str, path: str, **data: str | int) -> Answer:
        return self.asks(who, "POST", at(path), FROM_THE_PAGE, **data)

    def run(self) -> dict[str, Any]:
        with self.base.connect() as connection:
            return dict(connection.execute(select(run).where(run.c.run_id == RUN)).mappings().one())

    def states(self) -> dict[str, int]:
        with self.base.connect() as connection:
            rows = connection.execute(text("select state, count(*) from message group by state"))
            return {row[0]: row[1] for row in rows}


@pytest.fixture(scope="module")
def served(
    server: URL, airflow_database: Callable[[str], URL], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Airflow, list[list[str]]]]:
    from habitue.airflow_home import AirflowHome
    from habitue.database import connect, ensure_database, upgrade

    out = tmp_path_factory.mktemp("out")
    (out / "emails").mkdir()
    (out / "report.html").write_text("<!doctype html><title>the run card</title>")
    (out / "emails" / "index.html").write_text("<!doctype html><title>the outbox</title>")
    (out / "secret.key").write_text("nobody's business")
    url = ensure_database(server, "habitue_pages")
    base = connect(url)
    upgrade(base)
    home = AirflowHome(out / "airflow", airflow_database("airflow_pages"))
    home.home.mkdir()
    (home.home / "passwords.json").write_text(json.dumps(dict.fromkeys(WHO, "secret")))
    settings = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "olga:user,vera:viewer,anna:viewer",
        "HABITUE_OUT": str(out),
        "HABITUE_DATABASE_URL": url.render_as_string(hide_password=False),
        "HABITUE_TODAY": ON.isoformat(),
    }
    log = (out / "api.log").open("w+")
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(home.home / "passwords.json")],
        env={**home.environment(settings), "PYTHONPATH": os.pathsep.join([str(ROOT / "dags")])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    ) as process:
        airflow = Airflow(process, base)
        yield airflow, airflow.hears()
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)
    log.close()
    base.dispose()


@dataclass(frozen=True)
class Rule:
    """What a route says of itself: who may ask it, and whether only our own pages may."""

    method: str
    path: str
    roles: tuple[str, ...] | None
    from_the_page: bool


@pytest.fixture(scope="module")
def rules(served: tuple[Airflow, list[list[Any]]]) -> list[Rule]:
    return [Rule(method, path, roles and tuple(roles), ours) for method, path, roles, ours in served[1]]


@pytest.fixture
def airflow(served: tuple[Airflow, list[list[str]]]) -> Airflow:
    """With one run, the quarterly letter to the people of `people.py`, of which nothing has left."""
    from habitue.tables import metadata

    found, _ = served
    with found.base.begin() as connection:
        connection.execute(text(f"truncate {', '.join(metadata.tables)}"))
    move_in(found.base)
    planned(found.base, find_campaign("quarterly_letter", SHOP))
    assert found.states() == {"planned": 5}
    return found


def lose_a_worker(base: Engine) -> int:
    """A worker takes the letters' and the mails' first shard along; returns how many messages that were."""
    before, taken = AT - timedelta(days=1), 0
    for channel in (Channel.LETTER, Channel.EMAIL):
        part = Shard(RUN, channel, 1)
        claim = ledger.claim(base, part, worker="dies", on=ON, at=before, shop=SHOP, caps=CAPS, most=9)
        taken += len(claim.messages)
    return taken


def test_every_route_says_who_may_ask_it_and_every_write_comes_from_our_pages(rules: list[Rule]) -> None:
    assert len(rules) > 15
    assert [rule for rule in rules if not rule.roles] == []
    assert [rule for rule in rules if rule.method != "GET" and not rule.from_the_page] == []


def test_a_stranger_is_told_nothing_and_changes_nothing(airflow: Airflow, rules: list[Rule]) -> None:
    before = airflow.run()
    for rule in rules:
        for headers in ({}, FROM_THE_PAGE, {"cookie": "_token="}):
            assert airflow.asks("stranger", rule.method, at(rule.path), headers, why="x").status == 401, rule
    assert airflow.run() == before


@pytest.mark.parametrize("who", WHO)
def test_everybody_sees_what_their_role_opens_and_nothing_else(airflow: Airflow, rules: list[Rule], who: str) -> None:
    before, seen = airflow.run(), 0
    for rule in rules:
        may = WHO[who] in (rule.roles or ())
        if may and rule.method != "GET":  # what they may do is done below
            continue
        answer = airflow.asks(who, rule.method, at(rule.path), FROM_THE_PAGE, why="x")
        assert (answer.status not in (401, 403)) == may, (rule, answer.status)
        assert answer.status < 500, rule
        assert answer.headers["x-content-type-options"] == "nosniff", rule
        assert answer.headers["x-frame-options"] == "SAMEORIGIN", rule
        assert answer.headers["cache-control"] == "no-store" or rule.path.startswith("/static"), rule
        if "content-security-policy" in answer.headers:  # not of a file that was made before
            assert "form-action 'self'" in answer.headers["content-security-policy"], rule
            assert not re.search(r"<script(?! src=)", answer.text), rule
        seen += may
    assert seen > 1
    assert airflow.run() == before
    with airflow.base.connect() as connection:
        assert connection.execute(select(stop)).all() == []


def test_a_manager_is_shown_no_button(airflow: Airflow) -> None:
    assert "/confirm/" not in airflow.asks("vera", "GET", f"/runs/{RUN}").text
    assert "/confirm/pause" in airflow.asks("olga", "GET", f"/runs/{RUN}").text


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://testserver"},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {},
    ],
)
def test_another_site_can_not_have_olgas_browser_do_it(airflow: Airflow, path: str, headers: dict[str, str]) -> None:
    before = airflow.run()
    assert airflow.asks("olga", "POST", at(path), headers, why="x").status == 403
    assert airflow.run() == before


def test_a_browser_that_names_its_origin_only_is_let_in_from_ours(airflow: Airflow) -> None:
    ours = {"origin": "http://testserver"}
    assert airflow.asks("olga", "POST", at("/runs/{run_id}/pause"), ours, why="x").status == 303


def test_olga_pauses_a_run_and_lets_it_go_on_and_the_ledger_has_her_name(airflow: Airflow) -> None:
    page = airflow.asks("olga", "GET", f"/runs/{RUN}").text
    assert "/confirm/pause" in page
    asked = airflow.asks("olga", "GET", f"/runs/{RUN}/confirm/pause").text
    assert f'action="/habitue/runs/{RUN.replace(":", "%3A")}/pause"' in asked
    done = airflow.posts("olga", "/runs/{run_id}/pause", why="wrong price")
    assert (done.status, done.headers["location"]) == (303, f"/habitue/runs/{RUN.replace(':', '%3A')}")
    row = airflow.run()
    assert (row["state"], row["state_by"], row["state_reason"]) == ("paused", "olga", "wrong price")
    assert "wrong price" in airflow.asks("vera", "GET", f"/runs/{RUN}").text
    assert airflow.posts("olga", "/runs/{run_id}/resume").status == 303
    assert (airflow.run()["state"], airflow.run()["state_by"]) == ("open", "olga")


def test_olga_ends_a_run_for_good(airflow: Airflow) -> None:
    assert airflow.posts("olga", "/runs/{run_id}/cancel", why="wrong offer").status == 303
    assert airflow.states() == {"cancelled": 5}
    assert airflow.run()["state_by"] == "olga"
    refused = airflow.posts("olga", "/runs/{run_id}/resume")
    assert refused.status == 409
    assert "stays so" in refused.text


def test_olga_stops_everything_and_lifts_it(airflow: Airflow) -> None:
    assert airflow.posts("olga", "/stop", why="a wrong price").status == 303
    for page in ("/runs/", f"/runs/{RUN}"):
        assert "a wrong price" in airflow.asks("vera", "GET", page).text
    assert "confirm/go" in airflow.asks("olga", "GET", "/runs/").text
    assert airflow.posts("olga", "/go").status == 303
    with airflow.base.connect() as connection:
        row = connection.execute(select(stop)).mappings().one()
    assert (row["said_by"], row["reason"], row["lifted_by"]) == ("olga", "a wrong price", "olga")


def test_olga_settles_what_is_in_doubt_for_as_many_as_she_was_shown(airflow: Airflow) -> None:
    lost = lose_a_worker(airflow.base)
    doubts.expire(airflow.base, RUN, once=frozenset(), at=AT)
    shown = airflow.asks("olga", "GET", f"/runs/{RUN}/confirm/settle").text
    assert f'name="seen" value="{lost}"' in shown
    assert 'value="planned"' in shown
    stale = airflow.posts("olga", "/runs/{run_id}/settle", saying="accepted", seen=lost - 1)
    assert stale.status == 409
    assert airflow.states()["unknown"] == lost
    assert airflow.posts("olga", "/runs/{run_id}/settle", saying="accepted", seen=lost).status == 303
    assert airflow.states()["accepted"] == lost
    with airflow.base.connect() as connection:
        said = connection.scalars(select(message.c.reason).where(message.c.state == State.ACCEPTED).distinct()).all()
    assert said == ["told by olga"]
    assert airflow.posts("olga", "/runs/{run_id}/settle", saying="cancelled", seen=0).status == 422


def test_of_a_cancelled_run_silent_claims_are_counted_first_and_nothing_is_sent_again(airflow: Airflow) -> None:
    lost = lose_a_worker(airflow.base)
    open_yet = airflow.asks("olga", "GET", f"/runs/{RUN}/confirm/settle").text
    assert '/settle"' not in open_yet.replace('/confirm/settle"', "")  # the next delivery makes them again
    airflow.posts("olga", "/runs/{run_id}/cancel", why="x")
    assert 'name="seen"' not in airflow.asks("olga", "GET", f"/runs/{RUN}/confirm/settle").text
    counted = airflow.posts("olga", "/runs/{run_id}/settle")
    assert counted.headers["location"].endswith("/confirm/settle")
    assert airflow.states()["unknown"] == lost
    assert 'value="planned"' not in airflow.asks("olga", "GET", f"/runs/{RUN}/confirm/settle").text
    assert airflow.posts("olga", "/runs/{run_id}/settle", saying="planned", seen=lost).status == 409


@pytest.mark.parametrize("path", ["/runs/{run_id}/pause", "/runs/{run_id}/cancel", "/stop"])
def test_nothing_is_stopped_without_a_reason(airflow: Airflow, path: str) -> None:
    assert airflow.posts("olga", path, why="  ").status == 409
    assert airflow.posts("olga", path).status == 409
    assert airflow.posts("olga", path, why="x" * 201).status == 422
    assert airflow.run()["state"] == "open"


def test_a_run_page_tells_counts_and_rules_and_no_customer(airflow: Airflow) -> None:
    lose_a_worker(airflow.base)
    pages = [
        airflow.asks("olga", "GET", path).text for path in ("/runs/", f"/runs/{RUN}", f"/runs/{RUN}/confirm/settle")
    ]
    assert "Opposition" in pages[1]  # clara, by the rule that kept her out
    assert "<b>8</b>" in pages[1]
    for page in pages:
        for known in ("anna", "boris", "clara", "exemple", "lilas", "@", "+33199001234"):
            assert known not in page.lower().replace("@media", "").replace("@page", ""), known


def test_a_reason_is_data_and_never_markup(airflow: Airflow) -> None:
    hostile = "<script>alert(1)</script>{{ 7*7 }}"
    airflow.posts("olga", "/runs/{run_id}/pause", why=hostile)
    page = airflow.asks("vera", "GET", f"/runs/{RUN}").text
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}" in page


def test_a_run_that_is_not_planned_is_a_sentence(airflow: Airflow) -> None:
    for path in ("/runs/autumn:2026-10-01", "/runs/autumn:2026-10-01/confirm/pause"):
        found = airflow.asks("olga", "GET", path)
        assert found.status == 404
        assert f"the last ones are {RUN}" in found.text
    hostile = airflow.asks("olga", "GET", "/runs/<script>alert(1)<%2Fscript>")
    assert "<script>" not in hostile.text


def test_a_shop_without_runs_gets_a_page_too(airflow: Airflow) -> None:
    with airflow.base.begin() as connection:
        connection.execute(text("truncate run, message, shard, exclusion, holdout"))
    assert "lancez le DAG" in airflow.asks("vera", "GET", "/runs/").text


def test_an_approved_and_changed_run_shows_who_said_what(airflow: Airflow) -> None:
    from habitue import controls

    row = airflow.run()
    hashes = {"audience": row["audience_sha256"], "content": row["content_sha256"]}
    controls.approve(airflow.base, RUN, by="paul", at=AT, **hashes)
    assert "tel qu’il est" in airflow.asks("vera", "GET", f"/runs/{RUN}").text
    with airflow.base.begin() as connection:
        connection.execute(update(run).values(content_sha256="another", files={**row["files"], "old.j2": "0"}))
    page = airflow.asks("vera", "GET", f"/runs/{RUN}").text
    assert "tel qu’il était avant un changement" in page
    assert "old.j2. Remettez-le comme avant" in page


def test_the_breakers_figures_warn_and_stop_where_it_does() -> None:
    from habitue.controls import verdict, warnings

    quiet = dict.fromkeys(("messages", "accepted", "refused", "delivered", "hard_bounces", "complaints"), 0)
    rules = SHOP.breaker
    cases: list[dict[str, int]] = [
        {},
        {"accepted": 40, "refused": 9},
        {"accepted": 45, "refused": 5},
        {"accepted": 44, "refused": 6},
        {"accepted": 499, "hard_bounces": 400},
        {"accepted": 500, "hard_bounces": 26},
        {"accepted": 900, "delivered": 500, "hard_bounces": 25},
        {"accepted": 900, "delivered": 500, "hard_bounces": 26},
        {"accepted": 1000, "delivered": 1000, "complaints": 3},
        {"accepted": 1000, "delivered": 1000, "complaints": 4},
    ]
    levels = []
    for case in cases:
        fared = {**quiet, **case}
        found = [gauge.level for gauge in gauges(fared, rules)]
        assert ("stop" in found) == (verdict(fared, rules) is not None), case
        if "stop" not in found and fared["delivered"]:
            assert ("warn" in found) == bool(warnings(fared, rules)), case
        levels.append(found)
    assert levels[0] == ["early", "early", "early"]
    assert levels[6] == ["fine", "warn", "fine"]
    assert levels[8] == ["fine", "fine", "warn"]


def test_ops_see_the_run_card_and_the_outbox(airflow: Airflow) -> None:
    assert airflow.asks("olga", "GET", "/card").text == "<!doctype html><title>the run card</title>"
    assert airflow.asks("olga", "GET", "/emails/index.html").status == 200


def test_nobody_climbs_out_of_the_outbox(airflow: Airflow) -> None:
    for path in ("/emails/..%2fsecret.key", "/emails/%2e%2e/secret.key"):
        assert airflow.asks("stranger", "GET", path).status == 401
        assert airflow.asks("olga", "GET", path).status == 404


def test_a_dag_run_and_its_run_lead_to_each_other(airflow: Airflow) -> None:
    """olga's `user` may start DAGs; the DAG run's id holds a plus, as Airflow's own do."""
    from habitue import dag_runs

    airflow.asks("olga", "DAGS", str(ROOT / "dags"))
    dag_id, dag_run_id = "quarterly_letter", f"manual__{ON}T06:00:00+00:00"
    body = {"dag_run_id": dag_run_id, "logical_date": f"{ON}T06:00:00Z"}
    started = airflow.asks("olga", "POST", f"airflow:/api/v2/dags/{dag_id}/dagRuns", **body)
    assert started.status == 200, started.text
    quoted = f"{dag_id}/runs/manual__{ON}T06%3A00%3A00%2B00%3A00"
    task = f"airflow:/api/v2/dags/{dag_id}/dagRuns/{dag_run_id.replace('+', '%2B')}/taskInstances/plan/links"
    links = json.loads(airflow.asks("olga", "GET", task).text)["extra_links"]
    assert links == {"Campaign run": f"/plugin/habitue/habitue/dags/{quoted}"}
    yet = airflow.asks("vera", "GET", f"/dags/{quoted}")
    assert (yet.status, "tâche plan" in yet.text) == (404, True)
    dag_runs.note(airflow.base, dag_runs.DagRun(dag_id, dag_run_id), RUN, at=AT)
    there = airflow.asks("vera", "GET", f"/dags/{quoted}")
    assert (there.status, there.headers["location"]) == (303, f"/habitue/runs/{RUN.replace(':', '%3A')}")
    page = airflow.asks("vera", "GET", f"/runs/{RUN}").text
    assert f'class="airflow" href="/dags/{quoted}"' in page
    assert airflow.asks("vera", "GET", f"/dags/{dag_id}").headers["location"].endswith(RUN.replace(":", "%3A"))


def test_a_task_of_another_dag_leads_to_no_run(airflow: Airflow) -> None:
    airflow.asks("olga", "DAGS", str(ROOT / "dags"))
    body = {"dag_run_id": "manual__x", "logical_date": None}
    assert airflow.asks("olga", "POST", "airflow:/api/v2/dags/customer_base/dagRuns", **body).status == 200
    tasks = airflow.asks("olga", "GET", "airflow:/api/v2/dags/customer_base/dagRuns/manual__x/taskInstances")
    task = json.loads(tasks.text)["task_instances"][0]["task_id"]
    links = f"airflow:/api/v2/dags/customer_base/dagRuns/manual__x/taskInstances/{task}/links"
    assert json.loads(airflow.asks("olga", "GET", links).text)["extra_links"] == {"Campaign run": None}
    assert "n’est pas une campagne" in airflow.asks("vera", "GET", "/dags/customer_base").text


def test_airflow_shows_a_view_of_ours_on_each_dag_and_dag_run(airflow: Airflow) -> None:
    answer = airflow.asks("olga", "GET", "airflow:/api/v2/plugins")
    views = [view for plugin in json.loads(answer.text)["plugins"] for view in plugin["external_views"]]
    found = {view["destination"]: view["href"] for view in views}
    assert found == {
        "nav": "/habitue/",
        "dag": "/habitue/dags/{DAG_ID}",
        "dag_run": "/habitue/dags/{DAG_ID}/runs/{RUN_ID}",
    }


def test_the_plugin_is_one_file() -> None:
    assert [path.name for path in Path(ROOT / "plugins").glob("*.py")] == ["habitue_plugin.py"]
