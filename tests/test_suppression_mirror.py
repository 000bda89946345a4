"""SendGrid's own lists and ours: each learns what the other knows, once, and a block harms nobody."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text, update

from habitue import suppressions
from habitue.errors import SendError, SettingError
from habitue.postbag import Patience
from habitue.providers import Access
from habitue.sendgrid_lists import Lists
from habitue.shop import load_shop
from habitue.suppression_mirror import Mirrored, mirror, open_lists
from habitue.suppressions import Suppression
from habitue.tables import Channel, SuppressionReason, customer, suppression
from loopback import Faults, running
from people import ANNA, AT, BORIS, CLARA, DAVID, EMMA, FELIX, KEY, marked, person
from sendgrid_lists_stub import NAMES, SendGridLists
from test_cli_runs import Ops, ops
from test_plans import campaign, left_out, planned, town

__all__ = ["ops", "town"]

LATER = datetime(2027, 1, 1, tzinfo=UTC)
"""After all that the stub has on its lists."""
PATIENCE = Patience(tries=4, first=0.01, longest=0.05, silence=5)


def address(customer_id: str) -> str:
    return f"{customer_id}@example.fr"


def mirrored(
    engine: Engine, stub: SendGridLists, *, at: datetime = LATER, dry_run: bool = False, **how: Any
) -> Mirrored:
    lists = Lists("SG.key", stub.base_url, **{"timeout": 2.0, "patience": PATIENCE, **how})
    return mirror(engine, lists, key=KEY, at=at, dry_run=dry_run)


def suppress(engine: Engine, *customers: str, reason: SuppressionReason = SuppressionReason.UNSUBSCRIBED) -> None:
    values = [suppressions.email(address(who)) for who in customers]
    suppressions.add(engine, [Suppression(Channel.EMAIL, one, reason, "person") for one in values], key=KEY, at=AT)


def here(engine: Engine) -> set[tuple[str, str, str]]:
    """Who is suppressed here, why, and by whose word."""
    names = {KEY.mark(suppressions.email(address(who))): who for who in (ANNA, BORIS, CLARA, DAVID, EMMA, FELIX)}
    with engine.connect() as connection:
        rows = connection.execute(select(suppression).where(suppression.c.lifted_at.is_(None)))
        return {(names.get(row.mark, "?"), row.reason, row.source) for row in rows}


def adds_up(done: Mirrored) -> bool:
    return all(
        one.entries == one.news + one.known + one.lifted + one.unreadable + one.ignored for one in done.lists.values()
    )


def test_what_sendgrid_knows_is_suppressed_here_and_a_block_is_not(town: Engine) -> None:
    with running(SendGridLists()) as stub:
        for name, who in zip(NAMES, (ANNA, BORIS, DAVID, EMMA, FELIX), strict=True):
            stub.put(name, address(who).upper())
        done = mirrored(town, stub)
    assert here(town) == {
        (ANNA, "hard_bounce", "sendgrid"),
        (DAVID, "spam_complaint", "sendgrid"),
        (EMMA, "hard_bounce", "sendgrid"),
        (FELIX, "unsubscribed", "sendgrid"),
    }
    assert (done.news, done.written, done.lists["blocks"].ignored) == (4, 0, 1)
    assert adds_up(done)
    left = left_out(town, planned(town, campaign("email")).run_id)
    assert {who for who, rule in left.items() if rule == "suppressed"} == {ANNA, DAVID, EMMA, FELIX}
    with town.connect() as connection:
        assert set(connection.scalars(select(suppression.c.recorded_at))) == {
            datetime.fromtimestamp(1_789_000_000, UTC)
        }


def test_what_we_know_of_present_customers_is_written_there(town: Engine) -> None:
    """Gone customers and strangers are marks only: their addresses are not known here any more."""
    suppress(town, ANNA, BORIS, "stranger")
    suppress(town, CLARA, reason=SuppressionReason.HARD_BOUNCE)
    with town.begin() as connection:
        connection.execute(update(customer).where(customer.c.customer_id == BORIS).values(gone="2026-10-02"))
    with running(SendGridLists()) as stub:
        stub.put("bounces", address(CLARA))
        done = mirrored(town, stub)
        assert stub.added == [[address(ANNA)]]
    assert (done.news, done.written) == (0, 1)


def test_the_second_time_nothing_happens(town: Engine) -> None:
    suppress(town, ANNA, reason=SuppressionReason.HARD_BOUNCE)
    with running(SendGridLists()) as stub:
        stub.put("spam_reports", address(DAVID))
        mirrored(town, stub)
        before = (here(town), stub.lists["unsubscribes"])
        again = mirrored(town, stub)
        assert (again.news, again.written) == (0, 0)
        assert (here(town), stub.lists["unsubscribes"]) == before
    assert here(town) == {(ANNA, "hard_bounce", "person"), (DAVID, "spam_complaint", "sendgrid")}
    assert again.lists["unsubscribes"].known == 1


def test_a_rehearsal_says_the_same_and_changes_nothing(town: Engine) -> None:
    suppress(town, ANNA)
    with running(SendGridLists()) as stub:
        stub.put("bounces", address(DAVID), address(DAVID))
        stub.put("invalid_emails", address(DAVID), address(EMMA))
        rehearsed = mirrored(town, stub, dry_run=True)
        assert here(town) == {(ANNA, "unsubscribed", "person")}
        assert stub.added == []
        assert not any(line.startswith("POST") for line in stub.asked)
        done = mirrored(town, stub)
    assert done == rehearsed
    assert (done.news, done.written) == (2, 1)
    assert adds_up(done)


def test_who_was_lifted_here_since_is_not_suppressed_again(town: Engine) -> None:
    suppress(town, ANNA)
    values = [suppressions.email(address(ANNA))]
    with running(SendGridLists()) as stub:
        mirrored(town, stub)
        when = datetime.fromtimestamp(stub.now, UTC) + timedelta(days=1)
        suppressions.lift(town, Channel.EMAIL, values, key=KEY, by="ops", at=when)
        done = mirrored(town, stub)
        assert (done.news, done.written, done.lists["unsubscribes"].lifted) == (0, 0, 1)
        assert here(town) == set()
        stub.put("spam_reports", address(ANNA), created=int(when.timestamp()) + 60)
        assert mirrored(town, stub, at=when + timedelta(days=400)).news == 1
    assert here(town) == {(ANNA, "spam_complaint", "sendgrid")}


def test_lists_of_many_pages_are_read_to_their_end_and_written_in_batches(town: Engine) -> None:
    crowd = [marked(person(f"c{number}")) for number in range(1_203)]
    with town.begin() as connection:
        connection.execute(insert(customer), crowd)
    suppress(town, *(f"c{number}" for number in range(1_203)))
    with running(SendGridLists()) as stub:
        stub.put("bounces", *(f"b{number}@example.fr" for number in range(1_000)), "no address", "")
        stub.lists["bounces"].append({"created": "soon"})
        done = mirrored(town, stub)
        assert [len(batch) for batch in stub.added] == [500, 500, 203]
        assert len({one for batch in stub.added for one in batch}) == 1_203
        offsets = [line.rpartition("=")[2] for line in stub.asked if "/bounces?" in line]
    assert offsets == ["0", "500", "1000"]
    assert (done.lists["bounces"].news, done.lists["bounces"].unreadable) == (1_000, 3)
    assert adds_up(done)


@pytest.mark.parametrize("fault", ["429", "500", "502", "503", "504", "reset", "garbage", "lost"])
def test_a_server_that_is_busy_is_asked_again(town: Engine, fault: str) -> None:
    suppress(town, ANNA)
    with running(SendGridLists(faults=Faults({fault: 1.0}, most=2))) as stub:
        stub.put("bounces", address(DAVID))
        done = mirrored(town, stub)
        assert [entry["email"] for entry in stub.lists["unsubscribes"]] == [address(ANNA)]
    assert (done.news, done.written) == (1, 1)


def test_a_server_that_misbehaves_at_random_comes_to_the_same(town: Engine) -> None:
    chances = dict.fromkeys(("429", "500", "503", "reset", "garbage", "lost", "slow"), 0.12)
    suppress(town, ANNA, BORIS)
    with running(SendGridLists(faults=Faults(chances, seed=3), delay=0.05)) as stub:
        for name in NAMES:
            stub.put(name, *(f"{name}{number}@example.fr" for number in range(30)))
        done = mirrored(town, stub, page=10, patience=Patience(tries=12, first=0.001, longest=0.01))
        assert len(stub.faults.drawn) > 5
        assert {entry["email"] for entry in stub.lists["unsubscribes"][30:]} == {address(ANNA), address(BORIS)}
    assert (done.news, done.written) == (120, 2)


@pytest.mark.parametrize(
    ("fault", "permanent", "said"),
    [
        ("401", True, "HABITUE_SENDGRID_KEY"),
        ("403", True, "HABITUE_SENDGRID_KEY"),
        ("404", True, "answered 404"),
        ("redirect", True, "answered 307"),
        ("not a list", True, "no list of entries"),
        ("429", False, "429"),
        ("500", False, "500"),
        ("reset", False, "no answer"),
        ("slow", False, "no answer"),
        ("garbage", False, "no JSON"),
    ],
)
def test_a_server_that_never_answers_well_changes_nothing(town: Engine, fault: str, permanent: bool, said: str) -> None:
    suppress(town, ANNA)
    before = here(town)
    with running(SendGridLists(faults=Faults({fault: 1.0}), delay=1)) as stub:
        stub.put("bounces", address(DAVID))
        with pytest.raises(SendError, match=said) as failed:
            mirrored(town, stub, timeout=0.1)
        assert stub.added == []
    assert failed.value.permanent is permanent
    assert not re.search("anna|example|SG.key", str(failed.value))
    assert here(town) == before
    with town.connect() as connection:
        assert connection.scalar(text("select to_regclass('told_suppression')")) is None


def test_a_list_without_an_end_is_noticed(town: Engine) -> None:
    with running(SendGridLists(faults=Faults({"same": 1.0}))) as stub:
        stub.put("bounces", *(f"b{number}@example.fr" for number in range(40)))
        with pytest.raises(SendError, match="it has no end"):
            mirrored(town, stub, page=10)
    assert here(town) == set()


def test_the_rate_limit_is_waited_for(town: Engine) -> None:
    with running(SendGridLists(remaining="0", reset="0.1")) as stub:
        start = time.perf_counter()
        mirrored(town, stub)
        assert time.perf_counter() - start >= 0.1 * len(NAMES)
    with running(SendGridLists(faults=Faults({"429": 1.0}, most=1), reset="0.3")) as stub:
        start = time.perf_counter()
        mirrored(town, stub)
        assert time.perf_counter() - start >= 0.3


def test_a_limit_that_is_far_away_is_not_waited_for(town: Engine) -> None:
    with running(SendGridLists(faults=Faults({"429": 1.0}), reset="3600")) as stub:
        with pytest.raises(SendError, match="asks to wait 3600 s"):
            mirrored(town, stub)
        assert len(stub.asked) == 1


def test_what_was_written_before_a_failure_is_not_written_again(town: Engine) -> None:
    suppress(town, ANNA, BORIS, CLARA)
    with running(SendGridLists()) as stub:
        lists = Lists("SG.key", stub.base_url, patience=PATIENCE, page=2)
        add = lists.add

        async def once(addresses: Any) -> None:
            if stub.added:
                raise SendError("gone", permanent=False)
            await add(addresses)

        lists.add = once  # type: ignore[method-assign]
        with pytest.raises(SendError):
            mirror(town, lists, key=KEY, at=LATER)
        done = mirrored(town, stub)
        assert [len(batch) for batch in stub.added] == [2, 1]
    assert (done.written, done.news) == (1, 0)


def test_one_address_that_sendgrid_dislikes_takes_no_other_with_it(town: Engine) -> None:
    suppress(town, ANNA, BORIS, CLARA, DAVID, EMMA)
    with running(SendGridLists(bad=frozenset({address(CLARA)}))) as stub:
        done = mirrored(town, stub)
        assert {entry["email"] for entry in stub.lists["unsubscribes"]} == set(map(address, (ANNA, BORIS, DAVID, EMMA)))
    assert (done.written, done.refused) == (4, 1)


def test_where_sendgrid_dislikes_them_all_the_fault_is_not_theirs(town: Engine) -> None:
    with town.begin() as connection:
        connection.execute(insert(customer), [marked(person(f"c{number}")) for number in range(100)])
    suppress(town, *(f"c{number}" for number in range(100)))
    with running(SendGridLists(bad=frozenset(f"c{number}@example.fr" for number in range(100)))) as stub:
        with pytest.raises(SendError, match="answered 400"):
            mirrored(town, stub)
        assert len(stub.asked) < 40


def test_a_shop_that_sends_otherwise_has_nothing_to_mirror() -> None:
    with pytest.raises(SettingError, match=r"sender\.kind is outbox"):
        open_lists(load_shop().sender, Access(password="x"))
    with pytest.raises(SettingError, match="HABITUE_SENDGRID_KEY is not set"):
        open_lists(load_shop(overrides={"sender": {"kind": "sendgrid"}}).sender, Access())
    assert "SG.key" not in repr(Lists("SG.key"))


def test_the_command_says_what_each_list_came_to(
    ops: Ops, town: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suppress(town, ANNA)
    with running(SendGridLists()) as stub:
        stub.put("blocks", address(BORIS))
        stub.put("bounces", address(DAVID))
        sender = {"kind": "sendgrid", "sendgrid": {"base_url": stub.base_url}}
        monkeypatch.setattr("habitue.sources.load_shop", lambda **_: load_shop(overrides={"sender": sender}))
        ops.settings |= {"HABITUE_SENDGRID_KEY": stub.key, "HABITUE_TODAY": ""}
        would = ops.says("suppress", "mirror", "--dry-run")
        said = ops.says("suppress", "mirror")
        assert stub.added == [[address(ANNA)]]
    assert "1 would be suppressed here, 1 would be written to SendGrid" in would
    assert re.search(r"bounces +1 entries = 1 news \+ 0 known before", said)
    assert re.search(r"blocks +1 entries = 0 news .* 1 left alone", said)
    assert "1 suppressed here, 1 written to SendGrid" in said
    assert not re.search("anna|boris|david|example|SG.key", said + would)
    assert here(town) == {(ANNA, "unsubscribed", "person"), (DAVID, "hard_bounce", "sendgrid")}
