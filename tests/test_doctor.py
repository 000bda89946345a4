"""`habitue doctor`: each thing that can ail an installation is brought about, is found, and has a fix."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, insert, text, update
from typer.testing import CliRunner

from call_town import RUN
from call_town import house as called
from habitue import controls, database, doctor, events, ledger, suppressions, symptoms
from habitue.airflow_home import connection
from habitue.cli import app
from habitue.doctor import Finding, Level, Visit
from habitue.house import House
from habitue.plans import Shard
from habitue.providers import Access
from habitue.shop import load_shop
from habitue.suppressions import MarkKey, Suppression
from habitue.tables import Channel, SuppressionReason, erasure, run, snapshot
from loopback import HttpServer, certificate, running
from people import AT, KEY, ON, SECRET
from smtp_sink import SmtpSink
from test_plans import CAPS, SHOP, campaign, planned, town

__all__ = ["called", "town"]

NOW = AT


@pytest.fixture
def settings(base: Engine, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HABITUE_DATABASE_URL": base.url.render_as_string(hide_password=False),
        "HABITUE_OUT": str(tmp_path / "out"),
        "HABITUE_SECRET": SECRET.decode(),
    }


@pytest.fixture
def visit(settings: dict[str, str]) -> Iterator[Visit]:
    found = Visit(settings, House.of(settings), AT, NOW)
    yield found
    found.house.engine.dispose()


def changed(visit: Visit, overrides: dict[str, Any] | None = None, **house: Any) -> Visit:
    """The same visit to a house that is set up otherwise."""
    shop = load_shop(overrides=overrides) if overrides else visit.shop
    return replace(visit, house=replace(visit.house, shop=shop, **house))


def bad(findings: Any) -> list[Finding]:
    """What is not well; each says what to do."""
    found = [one for one in findings if one.level is not Level.OK]
    assert all(one.fix for one in found), found
    return found


def only(findings: Any) -> tuple[Level, str]:
    (one,) = bad(findings)
    return one.level, one.what


# The installation


def test_a_house_that_is_well_ends_with_0_and_what_it_lacks_is_a_warning(
    visit: Visit, settings: dict[str, str], base: Engine
) -> None:
    publish(visit, base, ON.isoformat())
    done = CliRunner().invoke(app, ["doctor", "--json"], env=settings | {"HABITUE_TODAY": ON.isoformat()})
    found = json.loads(done.stdout)
    assert done.exit_code == 0, done.output
    assert {one["level"] for one in found} == {"ok", "warn"}
    assert {"database", "migrations", "secret", "sender", "fonts", "disk", "snapshot", "clock", "runs"} <= {
        one["name"] for one in found if one["level"] == "ok"
    }
    assert all(set(one) == {"name", "level", "what", "fix"} for one in found)
    assert all(bool(one["fix"]) == (one["level"] != "ok") for one in found)


def test_without_settings_it_says_which_is_missing_and_ends_with_1(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor"], env={"HABITUE_OUT": str(tmp_path)})
    assert done.exit_code == 1
    assert "HABITUE_DATABASE_URL is not set" in " ".join(done.output.split())


def test_a_campaign_that_cant_be_read_is_named(visit: Visit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "spring.yaml"
    file.write_text("owner: {fr: Printemps\n")
    monkeypatch.setattr("habitue.checking.campaign_files", lambda: [file])
    level, what = only(doctor.campaigns(visit, database=False))
    assert level is Level.BAD
    assert "spring.yaml, line 2: not valid YAML" in what


def test_a_played_day_is_told(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("habitue.checking.campaign_files", list)
    there = replace(visit, settings={**visit.settings, "HABITUE_TODAY": "2026-10-01"})
    assert only(doctor.campaigns(there, database=False))[0] is Level.WARN


@pytest.mark.parametrize("given", [None, "short"])
def test_the_secret_is_set_and_long(visit: Visit, given: str | None) -> None:
    level, what = only(doctor.secrets(changed(visit, secret_setting=given)))
    assert level is Level.WARN
    assert "short" not in what
    assert not (visit.house.out / "secret.key").exists(), "looking makes none"


def test_a_secret_that_lies_in_the_results_is_told_to_be_kept(visit: Visit) -> None:
    there = changed(visit, secret_setting=None)
    assert there.house.secret
    assert "stands in HABITUE_OUT" in only(doctor.secrets(there))[1]


def test_a_mailbox_wants_its_password_and_sendgrids_posts_a_key(visit: Visit) -> None:
    returns = {"imap": {"host": "mail.shop.example", "username": "bounces"}}
    there = changed(visit, {"sender": {"kind": "sendgrid", "returns": returns}})
    found = bad(doctor.secrets(there))
    assert [(one.name, one.level) for one in found] == [("returns", Level.BAD), ("webhook", Level.WARN)]
    assert bad(doctor.secrets(changed(there, imap_password="x", webhook_keys="x"))) == []


def test_a_connection_is_known_by_its_variable(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")  # where no Airflow is
    there = changed(visit, {"sender": {"kind": "smtp", "connection": "smtp_default"}})
    alone = replace(there, settings={**there.settings, "PATH": ""})
    assert "Airflow is not here to be asked" in only(doctor.connected(alone))[1]
    variable = {"AIRFLOW_CONN_SMTP_DEFAULT": "smtp://127.0.0.1:25/?disable_ssl=true&disable_tls=true"}
    assert bad(doctor.connected(replace(alone, settings={**alone.settings, **variable}))) == []


def test_airflow_is_asked_for_a_connection_that_only_it_knows(tmp_path: Path) -> None:
    kept = tmp_path / "connections.json"
    kept.write_text(json.dumps({"smtp_ours": "smtp://shop:zz-canary@mail.shop.example:2525"}))
    there = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(kept)}),
    }
    found = connection("smtp_ours", there)
    assert not isinstance(found, str)
    assert (found.host, found.port, found.login, found.password) == ("mail.shop.example", 2525, "shop", "zz-canary")
    assert connection("smtp_theirs", there) == "Airflow has none"


def smtp(visit: Visit, port: int, **block: Any) -> Visit:
    mail = {"host": "127.0.0.1", "port": port, "security": "none", **block}
    return changed(visit, {"sender": {"kind": "smtp", "smtp": mail}})


def test_a_mail_server_is_greeted_and_nothing_is_sent(visit: Visit, tmp_path: Path) -> None:
    with running(SmtpSink(tmp_path / "taken")) as sink:
        assert bad(doctor.sender(smtp(visit, sink.port))) == []
        port = sink.port
    assert sink.taken == []
    assert [name.split()[0] for name in sink.commands] == [b"EHLO", b"QUIT"]
    level, what = only(doctor.sender(smtp(visit, port)))
    assert (level, what) == (Level.BAD, f"the mail server 127.0.0.1:{port}: no connection (ConnectionRefusedError)")


def test_a_wrong_password_is_found_before_the_first_mail(visit: Visit, tmp_path: Path) -> None:
    ca_file, tls = certificate(tmp_path)
    with running(SmtpSink(tmp_path / "taken", security="starttls", tls=tls, login=("shop", "right"))) as sink:
        there = smtp(visit, sink.port, security="starttls", username="shop", ca_file=str(ca_file))
        assert bad(doctor.sender(changed(there, access=Access(password="right")))) == []
        level, what = only(doctor.sender(changed(there, access=Access(password="zz-canary"))))
        assert level is Level.BAD
        assert "535" in what
        assert "zz-canary" not in what
        assert "HABITUE_SMTP_PASSWORD is not set" in only(doctor.sender(changed(there, access=Access())))[1]


class Scopes(HttpServer):
    """SendGrid's /v3/scopes."""

    def __init__(self, status: int, scopes: list[str]) -> None:
        self.status, self.scopes, self.heads = status, scopes, list[bytes]()

    async def _answer(self, head: bytes, body: bytes) -> bytes:
        self.heads.append(head)
        said = json.dumps({"scopes": self.scopes}).encode()
        return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (self.status, len(said), said)


@pytest.mark.parametrize(
    ("status", "scopes", "said"),
    [(200, ["mail.send"], None), (200, ["stats.read"], "may not send"), (401, [], "401")],
)
def test_sendgrid_is_asked_only_where_one_says_so(
    visit: Visit, status: int, scopes: list[str], said: str | None
) -> None:
    with running(Scopes(status, scopes)) as provider:
        there = changed(visit, {"sender": {"kind": "sendgrid", "sendgrid": {"base_url": provider.base_url}}})
        assert "HABITUE_SENDGRID_KEY is not set" in only(doctor.sender(there))[1]
        there = changed(there, access=Access(password="zz-canary"))
        assert bad(doctor.sender(there)) == []
        assert provider.heads == [], "nothing leaves without --reach"
        found = bad(doctor.sender(replace(there, reach=True)))
        assert len(provider.heads) == 1
        assert provider.heads[0].startswith(b"GET /v3/scopes ")
    assert [one.what for one in found if said is None or said not in one.what] == []
    assert bool(found) == bool(said)
    assert "does not answer" in only(doctor.sender(replace(there, reach=True)))[1]


def test_what_the_way_to_the_print_shop_needs_is_installed(visit: Visit) -> None:
    level, what = only(doctor.print_shop(changed(visit, {"letters": {"hand_over": "s3://printer/shop"}})))
    assert (level, "needs s3fs" in what) == (Level.BAD, True)
    service = {"letters": {"service": {"base_url": "https://letters.example"}}}
    assert "HABITUE_LETTERS_PASSWORD is not set" in only(doctor.print_shop(changed(visit, service)))[1]
    gone = changed(visit, {"letters": {"hand_over": "sftp://shop@127.0.0.1:1/in"}})
    assert bad(doctor.print_shop(gone)) == [], "nobody is asked without --reach"
    assert only(doctor.print_shop(replace(gone, reach=True)))[0] is Level.BAD


def test_fonts_have_what_languages_and_names_are_written_with(visit: Visit) -> None:
    assert bad(doctor.fonts(visit)) == []
    assert "U+6F22" in only(doctor.fonts(visit, names="ŁŻ漢"))[1]
    head = {**visit.shop.letterhead.model_dump(mode="json", exclude_none=True), "font": "Comic Sans"}
    assert "no font Comic Sans" in only(doctor.fonts(changed(visit, {"letterhead": head})))[1]


def test_a_disk_without_room_is_found(visit: Visit, tmp_path: Path) -> None:
    assert bad(doctor.disk(visit)) == []
    lot = visit.house.out / "letters" / "LOT-spring-2026-10-01-001"
    lot.mkdir(parents=True)
    with (lot / "letters.pdf").open("wb") as file:
        file.truncate(shutil.disk_usage(tmp_path).free // 5)  # sparse: it takes no room
    assert only(doctor.disk(visit))[0] is Level.WARN
    with (lot / "letters.pdf").open("wb") as file:
        file.truncate(shutil.disk_usage(tmp_path).free)
    assert only(doctor.disk(visit))[0] is Level.BAD
    (tmp_path / "file").write_text("")
    level, what = only(doctor.disk(changed(visit, out=tmp_path / "file" / "out")))
    assert (level, "can't be written" in what) == (Level.BAD, True)


def test_pictures_need_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert only(doctor.chromium())[0] is Level.WARN


# The base


def test_a_base_that_is_not_there_is_told_and_the_ledger_left_alone(settings: dict[str, str]) -> None:
    gone = settings | {"HABITUE_DATABASE_URL": "postgresql://x:zz-canary@127.0.0.1:1/x"}
    found = bad(doctor.examine(gone, at=lambda _: AT, now=NOW))
    assert (found[0].name, found[0].level) == ("database", Level.BAD)
    assert found[-1].name == "ledger"
    assert "zz-canary" not in str(found)


def test_the_clocks_agree_and_postgresql_knows_the_zone(visit: Visit) -> None:
    real = datetime.now(UTC)
    assert bad(symptoms.server(replace(visit, now=real))) == []
    assert only(symptoms.server(replace(visit, now=real - timedelta(seconds=20))))[0] is Level.WARN
    assert only(symptoms.server(replace(visit, now=real + timedelta(hours=1))))[0] is Level.BAD
    nowhere = visit.shop.model_copy(update={"timezone": "Mars/Olympus"})
    found = bad(symptoms.server(replace(visit, house=replace(visit.house, shop=nowhere), now=real)))
    assert [one.what for one in found] == ["PostgreSQL does not know the time zone Mars/Olympus"]


def test_a_base_in_another_encoding_or_without_our_tables_is_found(visit: Visit, server: URL) -> None:
    database.ensure_database(server, "latin")
    with database.connect(server).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("drop database latin"))
        connection.execute(text("create database latin template template0 encoding 'LATIN1' locale 'C'"))
        maker = connection.engine
    latin = changed(visit, database_url=server.set(database="latin").render_as_string(hide_password=False))
    found = bad(symptoms.server(replace(latin, now=datetime.now(UTC))))
    assert [one.what for one in found] == ["it keeps text as LATIN1"]
    assert only(symptoms.migrations(latin)) == (Level.BAD, "the base has no tables")
    latin.house.engine.dispose()
    maker.dispose()


def test_a_base_of_another_version_is_found(visit: Visit, base: Engine) -> None:
    head = database.versions(base)[1]
    older = sorted(database.known_versions())[0]
    try:
        for at, fix in ((older, "habitue db upgrade"), ("9999", "install the version")):
            with base.begin() as connection:
                connection.execute(text("update alembic_version set version_num = :at"), {"at": at})
            (found,) = bad(symptoms.migrations(visit))
            assert (found.level, fix in found.fix) == (Level.BAD, True)
    finally:
        with base.begin() as connection:
            connection.execute(text("update alembic_version set version_num = :at"), {"at": head})
    assert bad(symptoms.migrations(visit)) == []


def test_a_user_who_may_not_write_is_found(visit: Visit, base: Engine) -> None:
    with base.begin() as connection:
        connection.execute(text("drop owned by guest" if _role(connection) else "create role guest login"))
        connection.execute(text("grant select on all tables in schema public to guest"))
    guest = changed(visit, database_url=base.url.set(username="guest").render_as_string(hide_password=False))
    try:
        found = bad([*symptoms.server(replace(guest, now=datetime.now(UTC))), *symptoms.migrations(guest)])
        assert [one.name for one in found] == ["database", "database"]
        assert "may not make tables" in found[0].what
        assert "message" in found[1].what
    finally:
        guest.house.engine.dispose()
        with base.begin() as connection:
            connection.execute(text("drop owned by guest"))
            connection.execute(text("drop role guest"))


def _role(connection: Any) -> bool:
    return bool(connection.scalar(text("select 1 from pg_roles where rolname = 'guest'")))


def test_suppressions_of_another_secret_are_found(visit: Visit, base: Engine) -> None:
    assert bad(symptoms.marks(visit)) == []
    one = Suppression(Channel.EMAIL, suppressions.email("zz@example.fr"), SuppressionReason.HARD_BOUNCE, "smtp")
    suppressions.add(base, [one], key=MarkKey(b"o" * 32), at=AT)
    level, what = only(symptoms.marks(visit))
    assert (level, "another HABITUE_SECRET" in what) == (Level.BAD, True)


def publish(visit: Visit, base: Engine | None, day: str) -> None:
    """A snapshot's manifest, which is all that is asked of it here; loaded into the base, where one is given."""
    folder = visit.house.out / "lake" / "snapshots" / day
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps({"id": day, "on": day, "orders": {"parts": []}}))
    if base is not None:
        loaded = insert(snapshot).values(snapshot_id=day, taken_on=day, manifest_sha256="0", loaded_at=AT)
        with base.begin() as connection:
            connection.execute(loaded)


def test_an_old_customer_base_is_found(visit: Visit, base: Engine) -> None:
    assert only(symptoms.last_snapshot(visit)) == (Level.BAD, "no customer base is published")
    publish(visit, None, ON.isoformat())
    assert only(symptoms.last_snapshot(visit)) == (Level.BAD, "2026-10-01 is published, the base has none")
    publish(visit, base, ON.isoformat())
    (figures,) = bad(symptoms.last_snapshot(visit))
    assert (figures.name, figures.level) == ("figures", Level.WARN)
    levels = {days: bad(symptoms.last_snapshot(replace(visit, at=AT + timedelta(days=days))))[0] for days in (1, 2, 8)}
    assert [(one.name, one.level) for one in levels.values()] == [
        ("figures", Level.WARN),
        ("snapshot", Level.WARN),
        ("snapshot", Level.BAD),
    ]


# The ledger


def test_what_is_stuck_in_a_run_is_found(visit: Visit, town: Engine) -> None:
    assert bad(symptoms.runs(visit)) == []
    spring = planned(town, campaign("email")).run_id
    part = Shard(spring, Channel.EMAIL, 1)
    before = AT - timedelta(days=1)
    ledger.claim(town, part, worker="dies", on=ON, at=before, shop=SHOP, caps=CAPS, most=3)
    there = changed(visit, {"sender": {"kind": "sendgrid"}})
    (silent,) = bad(symptoms.runs(there))
    assert (silent.level, silent.what, silent.fix) == (
        Level.BAD,
        f"{spring}, email: 3 claims ran out",
        f"habitue settle {spring}",
    )
    assert "clear its task deliver" in bad(symptoms.runs(visit))[0].fix, "a folder's mails are made again"
    ledger.expire(town, part, at=AT)
    assert only(symptoms.runs(there))[1] == f"{spring}, email: of 3 messages nobody knows whether they left"
    controls.pause(town, spring, by="olga", reason="zz-canary", at=AT)
    controls.stop_all(town, by="olga", reason="zz-canary", at=AT)
    found = bad(symptoms.runs(there))
    assert [one.fix for one in found[:1]] == ["habitue go"]
    assert f"{spring} is paused: 2 messages wait" in [one.what for one in found]
    assert "zz-canary" not in str(found)
    assert "olga" not in str(found)


def test_a_ledger_that_does_not_add_up_is_found(visit: Visit, town: Engine) -> None:
    spring = planned(town, campaign("email")).run_id
    with town.begin() as connection:
        connection.execute(update(run).values(planned=run.c.planned + 1, audience=run.c.audience + 1))
    assert only(symptoms.runs(visit)) == (Level.BAD, f"{spring}: 1 planned messages are in no state")


def test_posts_that_nobody_reads_are_found(visit: Visit, base: Engine) -> None:
    events.store(base, [(AT - timedelta(minutes=5), b"[]")])
    assert bad(symptoms.posts(visit)) == []
    events.store(base, [(AT - timedelta(hours=5), b"zz-canary")])
    level, what = only(symptoms.posts(visit))
    assert (level, what) == (Level.BAD, "2 posts of providers wait, since 2026-10-01 05:00")
    events.apply(base, key=KEY, rules=visit.shop.breaker, at=AT)
    level, what = only(symptoms.posts(visit))
    assert (level, what.startswith("1 posts can't be read")) == (Level.WARN, True)


def test_files_that_stay_in_the_inbox_are_counted_and_not_named(visit: Visit) -> None:
    folder = visit.house.out / "returns" / "inbox"
    (folder / "done").mkdir(parents=True)
    file = folder / "Mme Zz-Canary.csv"
    file.write_text("no;header")
    moment = NOW.timestamp()
    os.utime(file, (moment - 600, moment - 600))
    assert bad(symptoms.inbox(visit)) == []
    os.utime(file, (moment - 9000, moment - 9000))
    level, what = only(symptoms.inbox(visit))
    assert (level, what) == (Level.WARN, f"1 files lie in {folder} for longer than 2 hours")


def test_call_lists_past_their_end_are_found(visit: Visit, called: House) -> None:
    there = replace(visit, house=called)
    assert bad(symptoms.call_lists(there)) == []
    level, what = only(symptoms.call_lists(replace(there, at=AT + timedelta(days=90))))
    assert (level, what.startswith(f"{RUN}: 5 lines are open")) == (Level.WARN, True)


def test_erasures_that_were_left_half_done_are_found(visit: Visit, base: Engine) -> None:
    with base.begin() as connection:
        connection.execute(
            insert(erasure).values(
                customer_id="zz-canary", rule="asked", reason="asked", ordered_by="olga", ordered_at=AT
            )
        )
    assert bad(symptoms.erasures(visit)) == []
    found = bad(symptoms.erasures(replace(visit, at=AT + timedelta(days=2))))
    assert [(one.level, "zz-canary" in one.what) for one in found] == [(Level.BAD, False)]
