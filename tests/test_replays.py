"""A past run decided and made again: the same to the byte, whatever has happened since; and what was tampered with is
named."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text, update
from typer.testing import CliRunner

from habitue import customer_base, outcomes, runs, suppressions
from habitue.campaigns import Campaign, find_campaign
from habitue.cli import app
from habitue.costs import price_list
from habitue.deliveries import Desk, Emails
from habitue.errors import LedgerError
from habitue.house import House
from habitue.outcomes import Event
from habitue.plans import Base, Shard, plan, shards
from habitue.replays import Difference, Replay, replay
from habitue.settings import INCLUDE
from habitue.suppressions import Suppression
from habitue.tables import (
    Channel,
    OutcomeKind,
    Segment,
    SuppressionReason,
    consent,
    customer,
    exclusion,
    hold,
    message,
    preference,
    run,
)
from people import event
from test_runs import ON, STEPS, FullPostbox, house, night, now, play

__all__ = ["house", "night"]

QUARTERLY = f"quarterly_letter:{ON}"
WINBACK = f"winback_calls:{ON}"


def again(house: House, run_id: str, tmp_path: Path, name: str = "again") -> Replay:
    return replay(house, run_id, out=tmp_path / "replays" / name / run_id.split(":")[0])


def one(house: House, sql: str, **given: Any) -> Any:
    with house.engine.connect() as connection:
        return connection.scalars(text(sql), given).first()


def everything(house: House) -> dict[str, Any]:
    """All that the base holds, to be sure that nothing was written."""
    from habitue.tables import metadata

    with house.engine.connect() as connection:
        return {
            name: connection.scalar(text(f"select md5(string_agg(t::text, '' order by t::text)) from {name} t"))  # noqa: S608
            for name in metadata.tables
        }


def test_a_run_made_again_at_once_is_the_same_and_nothing_is_written(house: House, tmp_path: Path) -> None:
    play(house, "quarterly_letter")
    waiting = runs.plan(house, "winback_calls", on=ON, at=now())  # planned, never rendered
    before = everything(house)
    found = again(house, QUARTERLY, tmp_path)
    assert (found.differences, found.changed) == ([], [])
    parts = shards(house.engine, QUARTERLY)
    lots = [one for one in parts if one.channel == Channel.LETTER]
    mails = list((house.out / "emails").glob("*.eml"))
    assert found.compared == {"content": len(parts), "letters": len(lots), "emails": len(mails), "calls": 0}
    assert found.messages == one(house, "select planned from run where run_id = :id", id=QUARTERLY)
    assert {path.name for path in (found.out / "emails").iterdir()} == {path.name for path in mails}
    assert [path.name for path in sorted((found.out / "letters").rglob("*.pdf"))] == [
        path.name for path in sorted((house.out / "letters").rglob("*.pdf"))
    ]
    unrendered = again(house, WINBACK, tmp_path)
    assert waiting
    assert unrendered.same
    assert unrendered.compared == dict.fromkeys(("content", "letters", "emails", "calls"), 0)
    assert list((unrendered.out / "calls").glob("*.csv"))
    assert everything(house) == before


def test_whatever_happens_in_the_week_after_it_is_the_same(house: House, tmp_path: Path) -> None:
    play(house, "winback_calls")
    shard = next(one for one in (Shard.parse(s) for s in _planned(house, "quarterly_letter")) if one.channel == "email")
    full = FullPostbox(5)
    with pytest.raises(Exception, match="put off"):
        Emails(Desk.of(house, shard), full).deliver(shard, on=ON, now=now)
    later = now() + timedelta(days=6)
    week_later = ON + timedelta(days=7)
    _move_on(house, later)
    for step in STEPS:
        getattr(customer_base, step)(house, week_later)
    customer_base.load(house, week_later, at=later)
    runs.plan(house, "winback_calls", on=week_later, at=later)
    with house.engine.begin() as connection:  # the base has moved on: other names and addresses, one customer gone
        connection.execute(update(customer).values(last_name="Changed", street="1 rue Neuve", letter_barrier="no_town"))
        gone = connection.scalar(text("select customer_id from message order by 1 limit 1"))
        connection.execute(update(customer).where(customer.c.customer_id == gone).values(gone="2026-10-08"))
    for run_id in (QUARTERLY, WINBACK):
        found = again(house, run_id, tmp_path)
        assert found.differences == []
    assert found.compared["letters"] > 0


def _planned(house: House, name: str) -> list[str]:
    parts = runs.plan(house, name, on=ON, at=now())
    for part in parts:
        runs.render(house, part)
    return parts


def _move_on(house: House, later: Any) -> None:
    """What a week brings: objections, consents, wishes, a complaint, a suppression, a refusal, a closed hold, news."""
    with house.engine.begin() as connection:
        everyone = connection.scalars(text("select customer_id from customer order by customer_id")).all()
        said = [event(who, way, "withdrawn", later) for who in everyone[::2] for way in ("letter", "email", "call")]
        said += [event(who, "call", "granted", later) for who in everyone[1::2]]
        said += [event(who, "email", "granted", later, direct=True) for who in everyone[::3]]
        connection.execute(insert(consent), said)
        wishes = [{"customer_id": who, "language": "en", "fewer": True, "since": later} for who in everyone[::4]]
        connection.execute(insert(preference), wishes)
        complaints = [
            {"customer_id": who, "reason": "complaint", "opened_at": later, "opened_by": "ops"}
            for who in everyone[1::3]
        ]
        connection.execute(insert(hold), complaints)
        connection.execute(
            update(message)
            .where(message.c.state == "planned", message.c.channel == "email")
            .values(state="refused", reason="mailbox", settled_at=later)
        )
        left = connection.scalars(text("select message_id from message where state = 'accepted' limit 20")).all()
        mails = connection.scalars(text("select email from customer where email is not null limit 50")).all()
    barred = [
        Suppression(Channel.EMAIL, suppressions.email(mail), SuppressionReason.UNSUBSCRIBED, "person") for mail in mails
    ]
    suppressions.add(house.engine, barred, key=house.mark_key, at=later)
    told = [Event(one, OutcomeKind.DELIVERED, later, "test", str(one)) for one in left]
    outcomes.record(house.engine, told, rules=house.shop.breaker, at=later)


def test_a_hold_and_a_suppression_that_were_lifted_since_held_then(house: House, tmp_path: Path) -> None:
    with house.engine.begin() as connection:
        who = connection.execute(text("select * from customer where email_barrier is null limit 1")).mappings().one()
        given = {"customer_id": who["customer_id"], "reason": "complaint", "opened_at": now(), "opened_by": "ops"}
        connection.execute(insert(hold).values(**given))
        mail = connection.scalar(
            text("select email from customer where email_barrier is null and customer_id <> :who limit 1"),
            {"who": who["customer_id"]},
        )
    barred = Suppression(Channel.EMAIL, suppressions.email(mail), SuppressionReason.UNSUBSCRIBED, "person")
    suppressions.add(house.engine, [barred], key=house.mark_key, at=now())
    runs.plan(house, "quarterly_letter", on=ON, at=now())
    assert one(house, "select rule from exclusion where customer_id = :who", who=who["customer_id"]) == "complaint_open"
    with house.engine.begin() as connection:
        lifted = now() + timedelta(days=1)
        connection.execute(text("update hold set closed_at = :at, closed_by = 'ops'"), {"at": lifted})
        connection.execute(text("update suppression set lifted_at = :at, lifted_by = 'ops'"), {"at": lifted})
    assert again(house, QUARTERLY, tmp_path).differences == []


def test_a_run_that_counted_earlier_ones_counts_them_as_they_stood(house: House, tmp_path: Path) -> None:
    """The winback run leaves out whom the e-mail of the same day had; that e-mail is refused only afterwards."""
    runs.plan(house, "quarterly_letter", on=ON, at=now())
    runs.plan(house, "winback_calls", on=ON, at=now() + timedelta(minutes=5))
    recent = (
        "select customer_id from exclusion where run_id = :id and value like '%email recently_contacted%' order by 1"
    )
    who = one(house, recent, id=WINBACK)
    with house.engine.begin() as connection:
        refused = {"state": "refused", "settled_at": now() + timedelta(hours=1)}
        connection.execute(update(message).where(message.c.run_id == QUARTERLY).values(**refused))
    assert again(house, WINBACK, tmp_path).differences == []
    with house.engine.begin() as connection:  # but had it been refused before, they would have been taken
        connection.execute(update(message).values(settled_at=now()))
    found = again(house, WINBACK, tmp_path, "tampered")
    taken = [d.ids for d in found.differences if d.what == "only in the replay: email"]
    assert who in taken[0]


def test_a_follow_up_is_replayed_from_what_had_been_heard_by_then(house: House, tmp_path: Path) -> None:
    winback = find_campaign("winback_calls", house.shop)
    only_email = [{"channel": "email", "template": "winback/lapsed"}]
    lapsed = {"ways": only_email, "offer": winback.offer(Segment.LAPSED).model_dump()}
    given = winback.model_dump() | {
        "name": "we_miss_you_still",
        "treatments": {"lapsed": lapsed},
        "then": {"channel": "letter", "template": "winback/lapsed", "after_days": 1},
    }
    spring = Campaign.model_validate(given)
    first = _plan(house, spring, ON, now())
    with house.engine.begin() as connection:
        refused = {"state": "refused", "settled_at": now() + timedelta(hours=1)}
        connection.execute(update(message).values(**refused))
    follow_up = spring.follow_up()
    assert follow_up is not None
    then = _plan(house, follow_up, ON + timedelta(days=1), now() + timedelta(days=1))
    assert one(house, "select planned from run where run_id = :id", id=then) > 0
    told = [
        Event(message_id, OutcomeKind.DELIVERED, now() + timedelta(days=2), "test", str(message_id))
        for message_id in _ids(house, first)
    ]
    outcomes.record(house.engine, told, rules=house.shop.breaker, at=now() + timedelta(days=2))
    found = again(house, then, tmp_path)
    assert found.differences == []
    assert found.changed == ["campaigns/we_miss_you_still_then.yaml (gone, or no longer in order)"]


def _ids(house: House, run_id: str) -> list[Any]:
    with house.engine.connect() as connection:
        return list(connection.scalars(text("select message_id from message where run_id = :id"), {"id": run_id}))


def _plan(house: House, wanted: Campaign, on: Any, at: Any) -> str:
    snapshot = house.lake.latest(on)
    assert snapshot is not None
    base = Base(snapshot.id, snapshot.segments, snapshot.customers)
    price = price_list(wanted, house.shop, on)
    known = {"on": on, "at": at, "shop": house.shop, "base": base, "secret": house.secret, "price": price}
    return plan(house.engine, wanted, **known).run_id


def test_the_lot_and_the_list_without_those_who_said_no_are_made_again_too(house: House, tmp_path: Path) -> None:
    parts = _planned(house, "winback_calls")
    with house.engine.begin() as connection:
        for way in ("letter", "call"):
            who = connection.scalar(
                text("select customer_id from message where channel = :way order by position limit 1"), {"way": way}
            )
            connection.execute(insert(consent), [event(who, way, "withdrawn", now() + timedelta(hours=1))])
    for part in parts:
        runs.deliver(house, part, on=ON, now=now)
    assert one(house, "select count(*) from message where state = 'cancelled'") == 2
    found = again(house, WINBACK, tmp_path)
    assert found.differences == []
    assert (found.compared["letters"], found.compared["calls"]) == (1, 2)


def test_what_was_changed_by_hand_is_named(house: House, tmp_path: Path) -> None:
    play(house, "quarterly_letter")
    granted, tampered = _two_mails(house)
    (mail,) = _mail_of(house, granted)
    with house.engine.begin() as connection:
        connection.execute(text("delete from consent where customer_id = :who and channel = 'email'"), {"who": granted})
        out = connection.scalar(text("select customer_id from exclusion where rule = 'objected' limit 1"))
        connection.execute(update(exclusion).where(exclusion.c.customer_id == out).values(rule="minor"))
        other = connection.scalar(text("select customer_id from holdout limit 1"))
        connection.execute(text("delete from holdout where customer_id = :who"), {"who": other})
    (changed,) = _mail_of(house, tampered)
    changed.write_bytes(changed.read_bytes().replace(b"Subject:", b"Subject: !", 1))
    lot = next((house.out / "letters").rglob("*.pdf"))
    lot.write_bytes(lot.read_bytes() + b"%")
    found = again(house, QUARTERLY, tmp_path)
    assert not found.same
    said = {(d.where, d.what): d.ids for d in found.differences}
    assert said["messages", "only in the ledger: email"] == (granted,)
    assert said["exclusions", "only in the replay: no_consent"] == (granted,)
    assert said["exclusions", "changed: minor in the ledger, objected in the replay"] == (out,)
    assert said["holdout", next(what for where, what in said if where == "holdout")] == (other,)
    assert any(where == "audience" for where, _ in said)
    assert set(said["emails", "other bytes than the mail that left"]) == {mail.name, changed.name}
    assert said["letters", "other bytes than the lot that was handed over"] == (f"{lot.stem}/{lot.name}",)


def _two_mails(house: House) -> list[str]:
    with house.engine.connect() as connection:
        rows = connection.scalars(
            text("select customer_id from message where channel = 'email' and state = 'accepted' order by 1 limit 2")
        )
        return list(rows)


def _mail_of(house: House, who: str) -> list[Path]:
    found = one(house, "select message_id from message where customer_id = :who and channel = 'email'", who=who)
    return [house.out / "emails" / f"{found}.eml"]


def test_a_changed_text_is_named_and_so_is_what_it_changed(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(house, "quarterly_letter")
    for name in ("templates", "campaigns"):
        shutil.copytree(INCLUDE / name, tmp_path / "include" / name)
    edited = "templates/letters/quarterly/regular_heavy.fr.j2"
    text_file = tmp_path / "include" / edited
    text_file.write_text(
        text_file.read_text("utf-8").replace("{% block subject %}", "{% block subject %}Ah ! ", 1), "utf-8"
    )
    for module in ("campaigns", "replays"):
        monkeypatch.setattr(f"habitue.{module}.INCLUDE", tmp_path / "include")
    found = again(house, QUARTERLY, tmp_path)
    assert Difference("texts", "changed since the plan", 1, (edited,)) in found.differences
    assert {d.where for d in found.differences} == {"texts", "content", "letters"}
    text_file.unlink()
    assert (
        Difference("texts", "changed since the plan", 1, (edited,))
        in again(house, QUARTERLY, tmp_path, "without").differences
    )


def test_settings_that_changed_are_named_and_need_make_no_difference(house: House, tmp_path: Path) -> None:
    runs.plan(house, "winback_calls", on=ON, at=now())
    with house.engine.begin() as connection:
        connection.execute(update(run).values(package_version="0.0.1"))
    shop = house.shop.model_copy(update={"calls": house.shop.calls.model_copy(update={"capacity": 1})})
    other = replace(house, shop=shop)
    found = again(other, WINBACK, tmp_path)
    other.engine.dispose()
    assert found.same
    assert found.changed[0] == "shop.yaml: calls.capacity"
    assert found.changed[1].startswith("habitue 0.0.1, now ")


def test_another_secret_is_named(house: House, tmp_path: Path) -> None:
    runs.plan(house, "winback_calls", on=ON, at=now())
    other = replace(house, secret_setting="another")
    found = again(other, WINBACK, tmp_path)
    other.engine.dispose()
    assert not found.same
    assert "HABITUE_SECRET (every message has another id)" in found.changed


def test_a_snapshot_that_was_tampered_with_is_named(house: House, tmp_path: Path) -> None:
    runs.plan(house, "winback_calls", on=ON, at=now())
    consents = house.out / "lake" / "snapshots" / ON.isoformat() / "consents.parquet"
    consents.chmod(0o644)
    consents.write_bytes(consents.read_bytes() + b" ")
    (named,) = again(house, WINBACK, tmp_path).differences
    assert named.what == f"consents.parquet of snapshot {ON} was changed after it was published"


def test_what_cannot_be_replayed_says_why(house: House, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="run spring:2026-10-01 is not planned"):
        again(house, f"spring:{ON}", tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.pdf").touch()
    with pytest.raises(LedgerError, match="holds files: name a new or an empty folder"):
        replay(house, WINBACK, out=tmp_path / "full")
    runs.plan(house, "winback_calls", on=ON, at=now())
    with house.engine.begin() as connection:
        connection.execute(update(run).values(shop={}))
    with pytest.raises(LedgerError, match="froze no settings"):
        again(house, WINBACK, tmp_path)


def test_the_command_ends_with_0_for_the_same_and_1_for_a_difference(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.plan(house, "winback_calls", on=ON, at=now())
    monkeypatch.setenv("HABITUE_SOURCE", "demo_shop")
    monkeypatch.setenv("HABITUE_DATA", str(house.source.data))
    monkeypatch.setenv("HABITUE_OUT", str(house.out))
    monkeypatch.setenv("HABITUE_DATABASE_URL", house.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HABITUE_SECRET", "for tests only")
    same = CliRunner().invoke(app, ["replay", WINBACK, "--out", str(tmp_path / "one")])
    assert same.exit_code == 0, same.output
    assert "the same" in same.output
    out = one(house, "select customer_id from exclusion limit 1")
    with house.engine.begin() as connection:
        connection.execute(text("delete from exclusion where customer_id = :who"), {"who": out})
    other = CliRunner().invoke(app, ["replay", WINBACK, "--out", str(tmp_path / "two"), "--json"])
    assert other.exit_code == 1
    told = json.loads(other.stdout)
    assert (told["same"], told["differences"][0]["ids"]) == (False, [out])
