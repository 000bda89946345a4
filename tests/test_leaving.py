"""Mails on their way by a real server when somebody says stop: no more leave than the claims under way hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from habitue import controls, deliveries, runs
from habitue.cli import app
from habitue.errors import HabitueError, Waiting
from habitue.house import House
from habitue.limits import Breaker
from habitue.plans import Shard
from habitue.providers import Access
from habitue.shop import load_shop
from loopback import Faults, Record, running
from sendgrid_stub import SendGridStub
from smtp_sink import SmtpSink
from test_runs import ON, house, night, now

__all__ = ["house", "night"]

KEY = "SG.for-the-stub-only"
CLAIM = 20
KINDS = ["smtp", "sendgrid"]
Provider = SmtpSink | SendGridStub


class Bell(Record):
    """A record that rings when a mail of that number is written down, before its answer leaves."""

    def __init__(self, path: Path, at: int, ring: Callable[[], None]) -> None:
        super().__init__(path)
        self.at, self.ring = at, ring
        self.written = 0

    def write(self, line: str) -> None:
        super().write(line)
        self.written += line.count("\n") + 1
        if self.written >= self.at > 0:
            self.at = 0
            self.ring()


@contextmanager
def served(house: House, kind: str, **faults: float) -> Iterator[tuple[House, Provider]]:
    """The house with a provider on 127.0.0.1."""
    drawn = Faults({name.replace("_", " "): chance for name, chance in faults.items()}, seed=3)
    taken = house.out / "taken"
    provider: Provider = (
        SmtpSink(taken, faults=drawn, keep=True) if kind == "smtp" else SendGridStub(taken, key=KEY, faults=drawn)
    )
    with running(provider):
        chosen = {
            "kind": kind,
            "smtp": {"host": "127.0.0.1", "port": provider.port, "security": "none"},
            "sendgrid": {"base_url": f"http://127.0.0.1:{provider.port}"},
        }
        here = replace(house, shop=load_shop(overrides={"sender": chosen}), access=Access(password=KEY))
        yield here, provider
        here.engine.dispose()


def claimed(house: House) -> int:
    with house.engine.connect() as connection:
        asked = text("select count(*) from message where channel = 'email' and attempt > 0")
        return int(connection.execute(asked).scalar_one())


@pytest.mark.parametrize("act", ["pause", "stop"])
@pytest.mark.parametrize("kind", KINDS)
def test_after_a_pause_only_the_claims_under_way_still_leave(
    house: House, kind: str, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers; somebody pauses while a server is answering for the thirtieth mail."""
    monkeypatch.setattr(deliveries, "CLAIM", CLAIM)
    at_the_pause: list[int] = []
    ends: list[str] = []
    with served(house, kind) as (here, provider):
        (shard,) = (one for one in runs.plan(here, "quarterly_letter", on=ON, at=now()) if "/email/" in one)
        run_id = Shard.parse(shard).run_id

        def ring() -> None:
            if act == "pause":
                controls.pause(here.engine, run_id, by="olga", reason="a wrong date", at=now())
            else:
                controls.stop_all(here.engine, by="olga", reason="the wrong list", at=now())
            at_the_pause.append(claimed(here))

        provider.record = Bell(provider.record.path, 30, ring)

        def work() -> None:
            try:
                runs.deliver(here, shard, on=ON, now=now)
            except Waiting as waiting:
                ends.append(waiting.why)

        workers = [Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert ends == [{"pause": "paused", "stop": "stopped"}[act]] * 2
    assert 30 <= len(provider.taken) == len(set(provider.taken)) == at_the_pause[0] <= 30 + 3 * CLAIM
    assert claimed(here) == at_the_pause[0]


@pytest.mark.parametrize(("kind", "fault"), [("smtp", "rcpt_550"), ("sendgrid", "413")])
def test_a_provider_that_refuses_too_many_is_left_alone_after_the_claim_under_way(
    house: House, kind: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "CLAIM", CLAIM)
    with served(house, kind, **{fault: 0.5}) as (here, provider):
        (shard,) = (one for one in runs.plan(here, "quarterly_letter", on=ON, at=now()) if "/email/" in one)
        with pytest.raises(Waiting, match="is paused") as waiting:
            runs.deliver(here, shard, on=ON, now=now)
    assert waiting.value.why == "paused"
    after = here.shop.breaker.refused_after
    assert after <= claimed(here) < after + CLAIM
    assert len(provider.taken) < claimed(here)


def test_an_address_that_a_mail_server_does_not_know_is_never_written_to_again(house: House) -> None:
    with served(house, "smtp", rcpt_550=0.05) as (here, _):
        here = replace(here, shop=here.shop.model_copy(update={"breaker": Breaker(refused=1, hard_bounces=(1, 1))}))
        (shard,) = (one for one in runs.plan(here, "quarterly_letter", on=ON, at=now()) if "/email/" in one)
        counts = runs.deliver(here, shard, on=ON, now=now)
        asked = text(
            "select count(*) from message m join customer c using (customer_id) "
            "join suppression s on s.mark = c.email_mark and s.reason = 'hard_bounce' and s.source = 'smtp' "
            "join outcome o on o.message_id = m.message_id and o.kind = 'hard_bounce' where m.state = 'refused'"
        )
        with here.engine.connect() as connection:
            assert connection.execute(asked).scalar_one() == counts["refused"] > 0
            assert connection.execute(text("select count(*) from suppression")).scalar_one() == counts["refused"]


# One mail to look at


def tried(house: House, *words: str, typing: str | None = None, **settings: str) -> tuple[int, str]:
    known = {
        "HABITUE_DATABASE_URL": house.engine.url.render_as_string(hide_password=False),
        "HABITUE_OUT": str(house.out),
        "HABITUE_SECRET": "for tests only",
        "HABITUE_SENDGRID_KEY": KEY,
        **settings,
    }
    done = CliRunner().invoke(app, ["send-test", *words], input=typing, env=known)
    assert "anna" not in done.output
    if isinstance(done.exception, HabitueError):
        return 1, str(done.exception)
    return done.exit_code, done.output


TEST = ("quarterly/lapsed", "--to", "anna@example.fr")


@pytest.mark.parametrize("lang", ["fr", "en"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_test_leaves_by_the_shops_own_sender_and_the_ledger_never_hears_of_it(
    house: House, kind: str, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(house, kind) as (here, provider):
        monkeypatch.setattr("habitue.sources.load_shop", lambda **_: here.shop)
        assert tried(house, *TEST, "--lang", lang, typing="n\n")[0] == 1
        assert provider.taken == []
        code, said = tried(house, *TEST, "--lang", lang, typing="y\n")
        assert code == 0, said
        assert tried(house, *TEST, "--yes")[0] == 0
    assert f"{kind}: accepted" in said
    assert len(provider.taken) == 2
    mail = written(provider)
    assert {"fr": "[essai]", "en": "[test]"}[lang] in mail
    assert f"{house.shop.sender.unsubscribe_url}sample" in mail
    with house.engine.connect() as connection:
        assert connection.execute(text("select count(*) from message")).scalar_one() == 0


def written(provider: Provider) -> str:
    """What the provider was first given, in words."""
    from habitue.mime import read

    if isinstance(provider, SendGridStub):
        return json.dumps(provider.asked[0], ensure_ascii=False)
    raw = provider.messages[0]
    return read(raw).subject + raw.decode("ascii", "replace")


@pytest.mark.parametrize("kind", KINDS)
def test_where_a_day_of_the_past_is_played_a_test_stays_in_the_outbox(
    house: House, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(house, kind) as (here, provider):
        monkeypatch.setattr("habitue.sources.load_shop", lambda **_: here.shop)
        code, said = tried(house, *TEST, "--yes", HABITUE_TODAY="2026-10-01")
    assert code == 0, said
    assert "nothing left (HABITUE_TODAY is set)" in said
    assert provider.taken == []
    assert len(list((house.out / "emails").glob("*.eml"))) == 1


def test_what_a_provider_says_no_to_is_said(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(house, "smtp", rcpt_550=1.0) as (here, _):
        monkeypatch.setattr("habitue.sources.load_shop", lambda **_: here.shop)
        code, said = tried(house, *TEST, "--yes")
        assert (code, "smtp: refused" in said, "550 5.1.1" in said) == (1, True, True)
        assert tried(house, "quarterly/lapsed", "--to", "nobody", "--yes")[0] == 1
        assert "no_such" in tried(house, "quarterly/no_such", "--to", "anna@example.fr", "--yes")[1]
        controls.stop_all(here.engine, by="olga", reason="the wrong list", at=now())
        assert tried(house, *TEST, "--yes") == (
            1,
            "nothing leaves (the wrong list): `habitue go` lifts the kill switch",
        )
