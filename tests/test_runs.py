"""The whole way through the house on a small shop: counts add up, nothing is done twice, a crash harms nobody."""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, text

from habitue import controls, customer_base, runs
from habitue.deliveries import Desk, Emails
from habitue.errors import SendError, Waiting
from habitue.house import House
from habitue.ledger import LEASE
from habitue.mime import Mail
from habitue.plans import Shard
from habitue.providers import Access
from habitue.senders import Receipt, Receipts, Status
from habitue.shop import load_shop

ON = date(2026, 10, 1)
STEPS = ("extract", "validate", "segment", "publish")


def now() -> datetime:
    return datetime(2026, 10, 1, 6, tzinfo=UTC)


def house_at(out: Path, exports: Path, engine: Engine) -> House:
    return House.of(
        {
            "HABITUE_SOURCE": "demo_shop",
            "HABITUE_DATA": str(exports),
            "HABITUE_OUT": str(out),
            "HABITUE_DATABASE_URL": engine.url.render_as_string(hide_password=False),
            "HABITUE_SECRET": "for tests only",
        }
    )


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory, exports: Path, migrated: Engine) -> Path:
    """What one night leaves in the lake; tests work on copies."""
    out = tmp_path_factory.mktemp("night")
    house = house_at(out, exports, migrated)
    for step in STEPS:
        getattr(customer_base, step)(house, ON)
    house.engine.dispose()
    return out


@pytest.fixture
def house(tmp_path: Path, exports: Path, night: Path, base: Engine) -> Iterator[House]:
    """A shop after its night, its base loaded, nothing planned."""
    import shutil

    shutil.copytree(night / "lake", tmp_path / "lake", copy_function=shutil.copyfile)
    shutil.copytree(night / "work", tmp_path / "work", copy_function=shutil.copyfile)
    found = house_at(tmp_path, exports, base)
    customer_base.load(found, ON, at=now())
    yield found
    found.engine.dispose()


def play(house: House, campaign: str, on: date = ON) -> list[str]:
    shards = runs.plan(house, campaign, on=on, at=now())
    for shard in shards:
        runs.render(house, shard)
    for shard in shards:
        runs.deliver(house, shard, on=on, now=now)
    runs.report(house, on=on)
    return shards


def ledger(house: House) -> dict[str, tuple[str, int]]:
    with house.engine.connect() as connection:
        rows = connection.execute(text("select message_id::text, state, attempt from message"))
        return {row[0]: (row[1], row[2]) for row in rows}


def files(house: House) -> dict[str, bytes]:
    return {
        str(path.relative_to(house.out)): path.read_bytes()
        for folder in ("letters", "emails", "calls")
        for path in sorted((house.out / folder).rglob("*"))
        if path.is_file()
    }


def test_both_campaigns_reach_everyone_they_planned_and_everything_adds_up(house: House) -> None:
    play(house, "quarterly_letter")
    play(house, "winback_calls")
    summary = json.loads((house.out / "summary.json").read_text())
    for dataset, control in summary["control"].items():
        assert control["read"] == control["kept"] + sum(control["left_out"].values())
        kept_out = sum(summary["quarantine"].get(dataset, {}).values()) + summary["duplicates"][dataset]
        assert control["kept"] == summary["published"][dataset] + kept_out
    assert sum(group["customers"] for group in summary["segments"].values()) == summary["held"]["customers"]
    assert {run["campaign"] for run in summary["runs"]} == {"quarterly_letter", "winback_calls"}
    for run in summary["runs"]:
        assert run["audience"] == run["planned"] + run["held_out"] + run["excluded"] > 0
        assert run["excluded"] == sum(run["exclusions"].values())
        states = {state: n for channel in run["states"].values() for state, n in channel.items()}
        assert set(states) <= {"accepted", "cancelled"}
        assert run["planned"] == sum(n for channel in run["states"].values() for n in channel.values())
    assert len(list((house.out / "emails").glob("*.eml"))) == sum(run["files"]["emails"] for run in summary["runs"])
    letters = []
    for manifest in sorted((house.out / "letters").glob("LOT-*/manifest.csv")):
        with manifest.open(newline="", encoding="utf-8") as table:
            letters += csv.DictReader(table, delimiter=";")
    assert len(letters) == sum(run["files"]["letters"] for run in summary["runs"])
    assert len({row["letter_id"] for row in letters}) == len(letters)
    calls = sum(run["files"]["calls"] for run in summary["runs"])
    with (house.out / "calls" / f"winback_calls-{ON}.csv").open(newline="", encoding="utf-8-sig") as table:
        assert len(list(csv.reader(table, delimiter=";"))) == calls + 1 > 1
    for page in ("report.html", "validation.html"):
        assert (house.out / page).exists() or page == "validation.html"


def test_done_again_it_writes_to_nobody_twice(house: House) -> None:
    for campaign in ("quarterly_letter", "winback_calls"):
        play(house, campaign)
    before, made = ledger(house), files(house)
    for campaign in ("quarterly_letter", "winback_calls"):
        play(house, campaign)
    assert ledger(house) == before
    assert files(house) == made


def test_a_night_done_again_publishes_and_loads_nothing_twice(house: House) -> None:
    manifest = (house.out / "lake" / "snapshots" / ON.isoformat() / "manifest.json").read_bytes()
    for step in STEPS:
        assert getattr(customer_base, step)(house, ON) == {"already": True}
    assert customer_base.load(house, ON, at=now())["already"] is True
    assert (house.out / "lake" / "snapshots" / ON.isoformat() / "manifest.json").read_bytes() == manifest


def test_who_says_no_after_the_letters_were_printed_gets_none(house: House) -> None:
    shards = [Shard.parse(one) for one in runs.plan(house, "quarterly_letter", on=ON, at=now())]
    shard = next(one for one in shards if one.channel == "letter")
    runs.render(house, str(shard))
    with house.engine.begin() as connection:
        who = connection.scalar(
            text("select customer_id from message where channel = 'letter' and shard = :shard limit 1"),
            {"shard": shard.number},
        )
        connection.execute(
            text(
                "insert into consent (customer_id, channel, purpose, status, recorded_at, known_at) "
                "values (:who, 'letter', 'marketing', 'withdrawn', :at, :at)"
            ),
            {"who": who, "at": now()},
        )
    counts = runs.deliver(house, str(shard), on=ON, now=now)
    assert counts["cancelled"] == 1
    with house.engine.connect() as connection:
        pages = connection.scalar(
            text("select sum(pages) from message where channel = 'letter' and shard = :n and state = 'accepted'"),
            {"n": shard.number},
        )
        assert (
            connection.scalar(
                text("select reason from message where customer_id = :who and channel = 'letter'"), {"who": who}
            )
            == "objected"
        )
    from pypdf import PdfReader

    (lot,) = [path for path in (house.out / "letters").rglob("*.pdf") if path.stem.endswith(f"{shard.number:03}")]
    assert len(PdfReader(lot).pages) == 2 * pages  # each one a front, with a blank back


class Postbox:
    """A provider that dies after some mails: what it was given is on its own list, whatever the ledger says."""

    idempotent = False

    def __init__(self, dies_after: int = 10**9) -> None:
        self.taken: list[str] = []
        self.dies_after = dies_after

    def send(self, batch: Sequence[Mail]) -> Receipts:
        for mail in batch:
            if len(self.taken) >= self.dies_after:
                raise ConnectionResetError
            self.taken.append(mail.message_id)
        return Receipts([Receipt(mail.message_id, Status.ACCEPTED) for mail in batch])

    def close(self) -> None:
        self.closed = True


class FullPostbox(Postbox):
    """A provider that takes some mails and puts off the others, or wants no more at all."""

    def __init__(self, room: int, stopped: SendError | None = None) -> None:
        super().__init__()
        self.room = room
        self.stopped = stopped

    def send(self, batch: Sequence[Mail]) -> Receipts:
        taken, left = batch[: self.room], batch[self.room :]
        self.room -= len(taken)
        answer = super().send(taken)
        held = [Receipt(mail.message_id, Status.HELD, reason="try later") for mail in left]
        return Receipts(answer.receipts + held, self.stopped if held else None)


def test_a_provider_that_dies_in_the_middle_gets_no_mail_twice(house: House) -> None:
    shards = [Shard.parse(one) for one in runs.plan(house, "quarterly_letter", on=ON, at=now())]
    shard = next(one for one in shards if one.channel == "email")
    first = Postbox(dies_after=7)
    with pytest.raises(ConnectionResetError):
        Emails(Desk.of(house, shard), first).deliver(shard, on=ON, now=now)
    second = Postbox()
    later = now() + timedelta(hours=1)
    counts = Emails(Desk.of(house, shard), second).deliver(shard, on=ON, now=lambda: later)
    assert not set(first.taken) & set(second.taken)
    states = ledger(house)
    assert all(states[one][0] == "unknown" for one in first.taken)
    assert all(states[one][0] == "accepted" for one in second.taken)
    assert counts["unknown"] >= len(first.taken)
    with house.engine.connect() as connection:
        waiting = connection.scalar(
            text(
                "select count(*) from message "
                "where channel = 'email' and shard = :n and state in ('planned', 'claimed')"
            ),
            {"n": shard.number},
        )
    assert waiting == 0


def test_who_tries_again_before_the_lease_is_over_waits_until_it_is_known_what_the_dead_worker_left(
    house: House,
) -> None:
    shards = [Shard.parse(one) for one in runs.plan(house, "quarterly_letter", on=ON, at=now())]
    shard = next(one for one in shards if one.channel == "email")
    first, second = Postbox(dies_after=7), Postbox()
    with pytest.raises(ConnectionResetError):
        Emails(Desk.of(house, shard), first).deliver(shard, on=ON, now=now)
    soon = now() + timedelta(minutes=1)
    with pytest.raises(Waiting, match="another worker holds the rest") as waiting:
        Emails(Desk.of(house, shard), second).deliver(shard, on=ON, now=lambda: soon)
    assert waiting.value.until == now() + LEASE
    then = waiting.value.until + timedelta(seconds=1)
    Emails(Desk.of(house, shard), second).deliver(shard, on=ON, now=lambda: then)
    states = ledger(house)
    assert all(states[one][0] == "unknown" for one in first.taken)
    with house.engine.connect() as connection:
        asked = text("select count(*) from message where channel = 'email' and shard = :n and state = 'claimed'")
        assert connection.scalar(asked, {"n": shard.number}) == 0


def test_where_the_journal_cannot_be_written_nothing_leaves_and_nobody_is_in_doubt(house: House) -> None:
    shards = [Shard.parse(one) for one in runs.plan(house, "quarterly_letter", on=ON, at=now())]
    shard = next(one for one in shards if one.channel == "email")
    postbox, limits = Postbox(), resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # a disk that is full after two lines
    try:
        with pytest.raises(OSError, match="File too large"):
            Emails(Desk.of(house, shard), postbox).deliver(shard, on=ON, now=now)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert postbox.taken == []
    assert {state for state, _ in ledger(house).values()} == {"planned"}
    counts = Emails(Desk.of(house, shard), postbox).deliver(shard, on=ON, now=now)
    assert counts["accepted"] == len(set(postbox.taken)) == len(postbox.taken) > 0
    assert counts["unknown"] == 0


@pytest.mark.parametrize("stopped", [None, SendError("closed on Sundays", permanent=True)])
def test_what_a_provider_never_took_waits_as_planned_and_leaves_once_by_the_next_try(
    house: House, stopped: SendError | None
) -> None:
    shards = [Shard.parse(one) for one in runs.plan(house, "quarterly_letter", on=ON, at=now())]
    shard = next(one for one in shards if one.channel == "email")
    full = FullPostbox(7, stopped)
    with pytest.raises(SendError, match="closed on Sundays" if stopped else "mails were put off"):
        Emails(Desk.of(house, shard), full).deliver(shard, on=ON, now=now)
    assert full.closed
    assert {one for one, (state, _) in ledger(house).items() if state == "accepted"} == set(full.taken)
    assert {state for state, _ in ledger(house).values()} == {"accepted", "planned"}
    second = Postbox()
    counts = Emails(Desk.of(house, shard), second).deliver(shard, on=ON, now=now)
    assert counts == {"accepted": len(second.taken), "refused": 0, "unknown": 0, "cancelled": 0}
    assert second.taken
    assert not set(full.taken) & set(second.taken)
    with house.engine.connect() as connection:
        left = connection.scalars(
            text("select message_id::text from message where channel = 'email' and shard = :n and state <> 'accepted'"),
            {"n": shard.number},
        ).all()
    assert left == []


@pytest.mark.parametrize("kind", ["smtp", "sendgrid"])
def test_the_quarterly_letter_leaves_by_the_provider_that_the_shop_names(house: House, kind: str) -> None:
    from loopback import running
    from sendgrid_stub import SendGridStub
    from smtp_sink import SmtpSink

    provider = SmtpSink(house.out / "taken") if kind == "smtp" else SendGridStub(house.out / "taken", key="SG.key")
    with running(provider):
        chosen = {
            "kind": kind,
            "smtp": {"host": "127.0.0.1", "port": provider.port, "security": "none"},
            "sendgrid": {"base_url": f"http://127.0.0.1:{provider.port}"},
        }
        named = replace(house, shop=load_shop(overrides={"sender": chosen}), access=Access(password="SG.key"))
        play(named, "quarterly_letter")
        play(named, "quarterly_letter")
    with house.engine.connect() as connection:
        accepted = connection.scalars(
            text("select message_id::text from message where channel = 'email' and state = 'accepted'")
        ).all()
    assert accepted
    assert sorted(provider.taken) == sorted(accepted)
    assert not (house.out / "emails").exists()
    named.engine.dispose()


class SilentPostbox(Postbox):
    """A provider that takes every mail and answers for none."""

    def send(self, batch: Sequence[Mail]) -> Receipts:
        super().send(batch)
        return Receipts([Receipt(mail.message_id, Status.UNKNOWN) for mail in batch])


@pytest.mark.parametrize(("says", "times"), [("at_most_once", 1), ("at_least_once", 3)])
def test_what_nobody_answers_for_is_sent_once_or_a_few_times_as_the_campaign_says(
    house: House, says: str, times: int
) -> None:
    shards = [Shard.parse(one) for one in runs.plan(house, "quarterly_letter", on=ON, at=now())]
    shard = next(one for one in shards if one.channel == "email")
    sent: list[str] = []
    for _ in range(5):
        desk, provider = Desk.of(house, shard), SilentPostbox()
        run = replace(desk.run, campaign=desk.run.campaign.model_copy(update={"delivery": says}))
        with suppress(SendError):
            Emails(replace(desk, run=run), provider).deliver(shard, on=ON, now=now)
        sent += provider.taken
    assert sent
    assert {sent.count(one) for one in sent} == {times}
    assert {ledger(house)[one][0] for one in sent} == {"unknown"}


def test_a_worker_killed_in_the_middle_of_the_outbox_loses_nobody_and_doubles_nobody(house: House) -> None:
    shards = [one for one in runs.plan(house, "quarterly_letter", on=ON, at=now()) if "/email/" in one]
    code = (
        "import os, signal, sys; from datetime import date, datetime, UTC\n"
        "from habitue import runs, senders; from habitue.house import House\n"
        "write, made = senders.Outbox._write, []\n"
        "def counted(self, mail):\n"
        "    made.append(1)\n"
        "    if len(made) > 5: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return write(self, mail)\n"
        "senders.Outbox._write = counted\n"
        "now = datetime(2026, 10, 1, 6, tzinfo=UTC)\n"
        "runs.deliver(House.of(os.environ), sys.argv[1], on=date(2026, 10, 1), now=lambda: now)\n"
    )
    environment = {
        **os.environ,
        "HABITUE_SOURCE": "demo_shop",
        "HABITUE_DATA": str(house.source.data),
        "HABITUE_OUT": str(house.out),
        "HABITUE_DATABASE_URL": house.database_url,
        "HABITUE_SECRET": "for tests only",
    }
    died = subprocess.run([sys.executable, "-c", code, shards[0]], env=environment, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL
    for shard in shards:
        runs.deliver(house, shard, on=ON, now=now)
    mails = {path.stem for path in (house.out / "emails").glob("*.eml")}
    with house.engine.connect() as connection:
        accepted = set(
            connection.execute(
                text("select message_id::text from message where channel = 'email' and state = 'accepted'")
            ).scalars()
        )
        planned = connection.scalar(text("select count(*) from message where channel = 'email'"))
    assert mails == accepted
    assert len(accepted) == planned


def test_a_bad_batch_leaves_the_last_good_snapshot_in_force(
    tmp_path: Path, exports: Path, night: Path, base: Engine
) -> None:
    import shutil

    from habitue.errors import BatchRefused

    shutil.copytree(night / "lake", tmp_path / "out" / "lake", copy_function=shutil.copyfile)
    shop = tmp_path / "shop"
    shutil.copytree(exports, shop)
    lines = (shop / "clients.csv").read_text("utf-8").splitlines(keepends=True)
    (shop / "clients.csv").write_text("".join(lines[: len(lines) // 3]), "utf-8")  # two thirds are missing
    house = house_at(tmp_path / "out", shop, base)
    next_day = ON + timedelta(days=1)
    customer_base.extract(house, next_day)
    with pytest.raises(BatchRefused):
        customer_base.validate(house, next_day)
    assert (house.out / "validation.html").exists()
    assert house.lake.latest(next_day).id == ON.isoformat()  # type: ignore[union-attr]
    house.engine.dispose()


@pytest.mark.parametrize("last", STEPS)
def test_killed_after_any_step_the_night_can_be_done_again(
    last: str, tmp_path: Path, exports: Path, base: Engine
) -> None:
    """A process that dies between two steps leaves its files; the next one begins where Airflow clears."""
    house = house_at(tmp_path, exports, base)
    for step in STEPS[: STEPS.index(last) + 1]:
        getattr(customer_base, step)(house, ON)
    if last != "publish":
        assert house.lake.latest(ON) is None
    for step in STEPS:
        getattr(customer_base, step)(house, ON)
    assert customer_base.load(house, ON, at=now())["customers"] > 0
    assert house.lake.verify(house.lake.latest(ON)) == []  # type: ignore[arg-type]
    house.engine.dispose()


def test_an_older_snapshot_never_turns_the_base_back(house: House) -> None:
    with house.engine.begin() as connection:
        from habitue.tables import snapshot

        connection.execute(
            insert(snapshot).values(
                snapshot_id="2026-10-02", taken_on=date(2026, 10, 2), manifest_sha256="later", loaded_at=now()
            )
        )
    assert customer_base.load(house, ON, at=now())["already"] is True


def test_templates_changed_after_the_plan_stop_the_run_but_not_one_that_has_left(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from habitue.campaigns import Campaign
    from habitue.errors import LedgerError

    play(house, "quarterly_letter")
    waiting = runs.plan(house, "winback_calls", on=ON, at=now())
    monkeypatch.setattr(Campaign, "template_files", lambda self, languages: {"lapsed.fr.j2": "edited"})
    before = ledger(house)
    play(house, "quarterly_letter")
    for shard in waiting:
        with pytest.raises(LedgerError, match=r"lapsed\.fr\.j2.* changed after this run was planned"):
            runs.render(house, shard)
    assert ledger(house) == before


@pytest.mark.parametrize("killed_after", ["plan", "render", "half the deliveries"])
def test_a_campaign_killed_between_two_stages_is_finished_by_the_next_try(house: House, killed_after: str) -> None:
    shards = runs.plan(house, "quarterly_letter", on=ON, at=now())
    if killed_after != "plan":
        for shard in shards:
            runs.render(house, shard)
    if killed_after == "half the deliveries":
        for shard in shards[: len(shards) // 2 + 1]:
            runs.deliver(house, shard, on=ON, now=now)
    gone = {one for one, (state, _) in ledger(house).items() if state == "accepted"}
    play(house, "quarterly_letter")
    after = ledger(house)
    assert {state for state, _ in after.values()} == {"accepted"}
    assert {attempt for _, attempt in after.values()} == {1}
    assert gone <= set(after)
    assert {Path(name).stem for name in files(house) if name.endswith(".eml")} == {
        one for one in after if (house.out / "emails" / f"{one}.eml").exists()
    }


def test_the_next_night_reads_the_days_since_and_shows_who_moved(house: House) -> None:
    """An incremental night: the days of the look-back come again, and count once."""
    before = house.lake.latest(ON)
    assert before is not None
    week_later = ON + timedelta(days=7)
    for step in STEPS:
        getattr(customer_base, step)(house, week_later)
    after = house.lake.latest(week_later)
    assert after is not None
    assert after.manifest["orders_since"] == (ON - timedelta(days=house.source.lookback_days)).isoformat()
    assert after.manifest["orders"]["rows"] == before.manifest["orders"]["rows"]
    loaded = customer_base.load(house, week_later, at=now())
    assert loaded["customers"] == 0
    assert loaded["consents"] == 0
    assert 0 < loaded["segments"] <= after.manifest["files"]["segments.parquet"]["rows"]  # a week less recent
    movement = after.manifest["figures"]["movement"]
    assert sum(sum(row.values()) for row in movement.values()) == sum(before.manifest["segments"].values())
    runs.plan(house, "quarterly_letter", on=week_later, at=now())
    runs.report(house, on=week_later)
    assert json.loads((house.out / "summary.json").read_text())["movement"]["from"] == ON.isoformat()


def test_a_lot_that_was_lost_before_it_was_handed_over_is_printed_again(house: House) -> None:
    shards = runs.plan(house, "winback_calls", on=ON, at=now())
    letters = [one for one in shards if "/letter/" in one]
    for shard in letters:
        runs.render(house, shard)
    for lot in (house.out / "runs").rglob("LOT-*.pdf"):
        lot.unlink()
    for shard in letters:
        assert runs.deliver(house, shard, on=ON, now=now)["accepted"] > 0
    assert len(list((house.out / "letters").rglob("LOT-*.pdf"))) == len(letters)


def test_nobody_is_written_to_on_a_customer_base_that_has_gone_stale(house: House) -> None:
    from habitue.errors import LedgerError

    assert runs.plan(house, "winback_calls", on=ON + timedelta(days=7), at=now())
    with pytest.raises(LedgerError, match="the last good customer base is of 2026-10-01, 8 days before"):
        runs.plan(house, "quarterly_letter", on=ON + timedelta(days=8), at=now())


def test_the_run_card_says_what_a_run_costs_who_approved_it_and_who_paused_it(house: House) -> None:
    runs.plan(house, "winback_calls", on=ON, at=now())
    run_id = f"winback_calls:{ON}"
    with house.engine.connect() as connection:
        frozen = connection.execute(text("select * from run")).mappings().one()
    hashes = {"audience": frozen["audience_sha256"], "content": frozen["content_sha256"]}
    controls.approve(house.engine, run_id, by="ines", at=now(), **hashes)
    controls.pause(house.engine, run_id, by="jules", reason="the desk is closed", at=now())
    runs.report(house, on=ON)
    (run,) = json.loads((house.out / "summary.json").read_text())["runs"]
    assert run["cost_micros"] == sum(run["cost_by_channel"].values()) == frozen["cost_micros"] > 0
    assert run["held_out"] == sum(run["held_out_by"].values())
    assert run["state"] == {
        "state": "paused",
        "reason": "the desk is closed",
        "by": "jules",
        "at": "2026-10-01T06:00:00+00:00",
    }
    assert run["approvals"]["given"] == 1
    assert [(one["by"], one["stands"]) for one in run["approvals"]["said"]] == [("ines", True)]
    page = (house.out / "report.html").read_text()
    assert "jules" in page
    assert "the desk is closed" in page
    with house.engine.begin() as connection:
        connection.execute(text("update run set audience_sha256 = 'another'"))
    runs.report(house, on=ON)
    (run,) = json.loads((house.out / "summary.json").read_text())["runs"]
    assert (run["approvals"]["given"], run["approvals"]["said"][0]["stands"]) == (0, False)
