"""The pages in Airflow's UI are closed until opened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL

from conftest import ROOT

STRANGER_AND_OPS = """
import json, sys
from starlette.testclient import TestClient
from airflow.api_fastapi.app import create_app
pages = sys.argv[1:]
with TestClient(create_app(apps="core")) as client:
    answers = {page: [client.get(page).status_code] for page in pages}
    token = client.post("/auth/token", json={"username": "admin", "password": "secret"}).json()["access_token"]
    for page in pages:
        answer = client.get(page, headers={"authorization": f"Bearer {token}"})
        answers[page] += [answer.status_code, answer.text[:40]]
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(server: URL, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    """Airflow's whole API with the plugin in it, asked by a stranger and by someone who is logged in."""
    from habitue.airflow_home import AirflowHome
    from habitue.database import ensure_database

    out = tmp_path_factory.mktemp("out")
    (out / "emails").mkdir()
    (out / "report.html").write_text("<!doctype html><title>the run card</title>")
    (out / "emails" / "index.html").write_text("<!doctype html><title>the outbox</title>")
    (out / "secret.key").write_text("nobody's business")
    home = AirflowHome(out / "airflow", ensure_database(server, "airflow_pages"))
    home.home.mkdir()
    (home.home / "passwords.json").write_text(json.dumps({"admin": "secret"}))
    settings = {"HABITUE_OUT": str(out)}
    home.migrate(settings)
    pages = [
        "/habitue/",
        "/habitue/validation",
        "/habitue/emails/index.html",
        "/habitue/emails/..%2fsecret.key",
        "/habitue/emails/%2e%2e/secret.key",
    ]
    done = subprocess.run(
        [sys.executable, "-c", STRANGER_AND_OPS, *pages],
        env={**home.environment(settings), "PYTHONPATH": os.pathsep.join([str(ROOT / "dags")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, list[object]] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def test_a_stranger_sees_nothing(answers: dict[str, list[object]]) -> None:
    assert {page: answer[0] for page, answer in answers.items()} == dict.fromkeys(answers, 401)


def test_ops_see_the_run_card_and_the_outbox(answers: dict[str, list[object]]) -> None:
    assert answers["/habitue/"][1:] == [200, "<!doctype html><title>the run card</titl"]
    assert answers["/habitue/emails/index.html"][1] == 200


def test_what_was_not_made_yet_says_what_to_do(answers: dict[str, list[object]]) -> None:
    assert answers["/habitue/validation"][1] == 404


def test_nobody_climbs_out_of_the_outbox(answers: dict[str, list[object]]) -> None:
    for page in answers:
        if "secret" in page:
            assert answers[page][1] == 404, page


def test_the_plugin_is_one_file() -> None:
    assert [path.name for path in Path(ROOT / "plugins").glob("*.py")] == ["habitue_plugin.py"]
