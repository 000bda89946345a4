"""Mail that comes back, into the base: who is not written to again, and who is in spite of a forged report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert, select, update

import returned_mails as mails
from habitue import suppressions, tokens
from habitue.errors import LedgerError, MailboxError
from habitue.mailboxes import Letter, Maildir
from habitue.returns import RULES, Became, Gathered, gather
from habitue.shop import Shop, load_shop
from habitue.smtp import Smtp
from habitue.smtp_connection import Server
from habitue.tables import Channel, OutcomeKind, consent, customer, message, outcome, snapshot, suppression
from loopback import Faults, running
from people import ANNA, AT, BORIS, CLARA, DAVID, EMMA, FELIX, KEY, ON, SECRET, event
from smtp_sink import SmtpSink
from test_cli_runs import Ops, ops
from test_mailboxes import maildir, serving
from test_plans import SHOP, campaign, left_out, planned, town
from test_senders import mail

__all__ = ["ops", "town"]

LATER = AT + timedelta(hours=2)
NOBODYS = "7d1c0001-aaaa-4bbb-8ccc-0123456789ab"


@pytest.fixture
def sent(town: Engine) -> dict[str, UUID]:
    """The ids of the mails of a run: to Anna, Boris, David, Emma and Felix."""
    done = planned(town, campaign("email"))
    with town.connect() as connection:
        rows = connection.execute(select(message.c.customer_id, message.c.message_id))
        assert done.planned == 5
        return {row.customer_id: row.message_id for row in rows}


def returned(engine: Engine, folder: Path, *raw: bytes, at: datetime = LATER) -> Gathered:
    """These mails have come back and are read."""
    return gather(engine, Maildir(maildir(folder, *raw)), key=KEY, token_keys=[SECRET], rules=SHOP.breaker, at=at)


def suppressed(engine: Engine) -> list[tuple[bytes, str, str]]:
    with engine.connect() as connection:
        rows = connection.execute(
            select(suppression.c.mark, suppression.c.reason, suppression.c.source).order_by(suppression.c.reason)
        )
        return [(row.mark, row.reason, row.source) for row in rows]


def told(engine: Engine) -> list[tuple[UUID, str]]:
    with engine.connect() as connection:
        return [(row.message_id, row.kind) for row in connection.execute(select(outcome).order_by(outcome.c.kind))]


def withdrawals(engine: Engine) -> list[str]:
    """Since the people moved in."""
    with engine.connect() as connection:
        asked = select(consent.c.customer_id).where(consent.c.status == "withdrawn", consent.c.recorded_at >= AT)
        return list(connection.scalars(asked.order_by(consent.c.customer_id)))


def mark(customer_id: str) -> bytes:
    return KEY.mark(suppressions.email(f"{customer_id}@example.fr"))


def adds_up(found: Gathered) -> bool:
    return found.read == sum(found.became.values()) and len(found.left) == found.became[Became.PERSON]


@pytest.mark.parametrize("report", [mails.postfix, mails.exim, mails.exchange, mails.gmail, mails.verp])
def test_an_address_that_does_not_exist_is_never_written_to_again(
    town: Engine, sent: dict[str, UUID], tmp_path: Path, report: object
) -> None:
    assert callable(report)
    found = returned(town, tmp_path, report(sent[ANNA]))
    assert (found.became, found.suppressed, found.withdrawn) == ({Became.HARD_BOUNCE: 1}, 1, 0)
    assert suppressed(town) == [(mark(ANNA), "hard_bounce", "bounce")]
    assert told(town) == [(sent[ANNA], "hard_bounce")]
    again = planned(town, campaign("email", name="summer"))
    assert left_out(town, again.run_id)[ANNA] == "suppressed"
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(
    ("status", "action", "became"),
    [
        ("5.7.1", "failed", Became.BLOCKED),
        ("5.2.2", "failed", Became.BLOCKED),
        ("4.4.7", "failed", Became.BLOCKED),
        ("4.2.2", "delayed", Became.DEFERRED),
        ("2.1.5", "delivered", Became.DELIVERED),
    ],
)
def test_a_full_box_a_policy_or_a_delay_suppresses_nobody(
    town: Engine, sent: dict[str, UUID], tmp_path: Path, status: str, action: str, became: Became
) -> None:
    found = returned(town, tmp_path, mails.postfix(sent[ANNA], status, action))
    assert (found.became, found.suppressed) == ({became: 1}, 0)
    assert suppressed(town) == []
    assert [kind for _, kind in told(town)] == [became.value]


def test_who_complains_is_suppressed_and_has_withdrawn(town: Engine, sent: dict[str, UUID], tmp_path: Path) -> None:
    found = returned(town, tmp_path, mails.complaint(sent[FELIX]))
    assert (found.became, found.suppressed, found.withdrawn) == ({Became.COMPLAINT: 1}, 1, 1)
    assert suppressed(town) == [(mark(FELIX), "spam_complaint", "feedback")]
    assert withdrawals(town) == [FELIX]


def test_who_says_stop_is_not_written_to_by_any_later_run(town: Engine, sent: dict[str, UUID], tmp_path: Path) -> None:
    token = tokens.sign(sent[EMMA], SECRET)
    found = returned(
        town, tmp_path, mails.reply("STOP" + mails.QUOTED, sent[ANNA]), mails.reply("", subject=f"unsubscribe {token}")
    )
    assert (found.became, found.suppressed, found.withdrawn) == ({Became.UNSUBSCRIBED: 2}, 2, 2)
    assert {who for who, _, _ in suppressed(town)} == {mark(ANNA), mark(EMMA)}
    assert withdrawals(town) == [ANNA, EMMA]
    again = planned(town, campaign("email", name="summer"))
    assert {left_out(town, again.run_id)[who] for who in (ANNA, EMMA)} == {"objected"}


def test_a_forged_report_suppresses_nobody(town: Engine, sent: dict[str, UUID], tmp_path: Path) -> None:
    """Boris's rival knows his address and how reports look, and not the id of a mail to him."""
    letter = planned(town, campaign("letter", name="letters"))
    with town.connect() as connection:
        of_a_letter = connection.scalar(select(message.c.message_id).where(message.c.run_id == letter.run_id).limit(1))
    forged = [
        mails.postfix(NOBODYS, to="boris@example.fr"),
        mails.postfix("boris@example.fr", to="boris@example.fr"),
        mails.verp(NOBODYS),
        mails.complaint(NOBODYS),
        mails.reply("STOP"),
        mails.reply("STOP", NOBODYS, subject=tokens.sign(sent[BORIS], b"another secret")),
        mails.postfix(of_a_letter),
    ]
    found = returned(town, tmp_path, *forged)
    assert found.became == {Became.PERSON: len(forged)}
    assert set(found.left.values()) == {"not_ours"}
    assert (suppressed(town), told(town), withdrawals(town)) == ([], [], [])
    assert len(list((tmp_path / "new").iterdir())) == len(forged)


def test_a_mail_s_own_recipient_can_harm_only_themselves(town: Engine, sent: dict[str, UUID], tmp_path: Path) -> None:
    """David knows the id of his mail, and writes a report on it with Clara's address."""
    returned(town, tmp_path, mails.postfix(sent[DAVID], to="clara@example.fr"))
    assert suppressed(town) == [(mark(DAVID), "hard_bounce", "bounce")]


def move(engine: Engine, customer_id: str, email: str) -> None:
    """The night after the plan this customer has another address."""
    night = (ON + timedelta(days=1)).isoformat()
    marked = KEY.mark(suppressions.email(email))
    with engine.begin() as connection:
        known = {"snapshot_id": night, "taken_on": ON + timedelta(days=1), "manifest_sha256": "1"}
        connection.execute(insert(snapshot).values(**known, loaded_at=AT + timedelta(hours=1)))
        changed = update(customer).where(customer.c.customer_id == customer_id)
        connection.execute(changed.values(email=email, email_mark=marked, snapshot_id=night))


@pytest.mark.parametrize(
    ("bounced", "is_suppressed"), [("anna@example.fr", False), ("anna@new.example", True), ("ANNA@New.example", True)]
)
def test_a_new_address_does_not_pay_for_the_old_one(
    town: Engine, sent: dict[str, UUID], tmp_path: Path, bounced: str, is_suppressed: bool
) -> None:
    move(town, ANNA, "anna@new.example")
    found = returned(town, tmp_path, mails.postfix(sent[ANNA], to=bounced))
    assert found.became == {Became.HARD_BOUNCE: 1}
    assert [who for who, _, _ in suppressed(town)] == (
        [KEY.mark(suppressions.email("anna@new.example"))] if is_suppressed else []
    )


def test_who_moved_and_says_stop_is_obeyed_at_the_new_address(
    town: Engine, sent: dict[str, UUID], tmp_path: Path
) -> None:
    move(town, ANNA, "anna@new.example")
    returned(town, tmp_path, mails.reply("STOP", sent[ANNA]))
    assert [who for who, _, _ in suppressed(town)] == [KEY.mark(suppressions.email("anna@new.example"))]


def test_the_same_mail_in_two_places_counts_once(town: Engine, sent: dict[str, UUID], tmp_path: Path) -> None:
    bounce, stop = mails.postfix(sent[ANNA]), mails.reply("STOP", sent[FELIX])
    first = returned(town, tmp_path / "a", bounce, bounce, stop)
    second = returned(town, tmp_path / "b", stop, mails.gmail(sent[ANNA]))
    assert first.became == {Became.HARD_BOUNCE: 1, Became.UNSUBSCRIBED: 1, Became.KNOWN: 1}
    assert second.became == {Became.KNOWN: 2}
    assert [kind for _, kind in told(town)] == ["hard_bounce", "unsubscribed"]
    assert (len(suppressed(town)), withdrawals(town)) == (2, [FELIX])


def test_who_came_back_since_is_not_sent_away_by_an_old_mail(
    town: Engine, sent: dict[str, UUID], tmp_path: Path
) -> None:
    stop = mails.reply("STOP", sent[FELIX])
    returned(town, tmp_path / "a", stop)
    suppressions.lift(town, Channel.EMAIL, [suppressions.email("felix@example.fr")], key=KEY, by="ops", at=LATER)
    with town.begin() as connection:
        connection.execute(insert(consent), [event(FELIX, "email", "granted", LATER + timedelta(days=1))])
    assert returned(town, tmp_path / "b", stop, at=LATER + timedelta(days=2)).suppressed == 0
    assert withdrawals(town) == [FELIX]


class BreaksOff(Maildir):
    """A mailbox that fails when a mail is to be marked as done."""

    def done(self, keys: Sequence[str]) -> None:
        raise MailboxError("broke off")


def test_who_is_struck_down_before_the_end_does_it_again_without_effect(
    town: Engine, sent: dict[str, UUID], tmp_path: Path
) -> None:
    folder = maildir(tmp_path, mails.postfix(sent[ANNA]), mails.reply("STOP", sent[FELIX]))
    with pytest.raises(MailboxError):
        gather(town, BreaksOff(folder), key=KEY, token_keys=[SECRET], rules=SHOP.breaker, at=LATER)
    before = (told(town), suppressed(town), withdrawals(town))
    assert len(before[0]) == 2
    found = gather(
        town, Maildir(folder), key=KEY, token_keys=[SECRET], rules=SHOP.breaker, at=LATER + timedelta(hours=1)
    )
    assert found.became == {Became.KNOWN: 2}
    assert (told(town), suppressed(town), withdrawals(town)) == before


def test_struck_down_between_the_base_s_own_steps_it_ends_the_same(
    town: Engine, sent: dict[str, UUID], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consent is withdrawn and the address suppressed, and then the database is gone."""
    folder = maildir(tmp_path, mails.reply("STOP", sent[FELIX]))
    with monkeypatch.context() as broken:
        broken.setattr("habitue.outcomes.record", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("gone")))
        with pytest.raises(RuntimeError):
            gather(town, Maildir(folder), key=KEY, token_keys=[SECRET], rules=SHOP.breaker, at=LATER)
    found = gather(
        town, Maildir(folder), key=KEY, token_keys=[SECRET], rules=SHOP.breaker, at=LATER + timedelta(hours=1)
    )
    assert found.became == {Became.UNSUBSCRIBED: 1}
    assert (len(suppressed(town)), withdrawals(town), len(told(town))) == (1, [FELIX], 1)


def test_a_report_settles_what_was_in_doubt(town: Engine, sent: dict[str, UUID], tmp_path: Path) -> None:
    with town.begin() as connection:
        connection.execute(update(message).values(state="unknown").where(message.c.message_id == sent[ANNA]))
    assert returned(town, tmp_path, mails.postfix(sent[ANNA], "5.2.2")).settled == 1


def test_what_a_mail_says_of_its_time_is_believed_where_it_can_be(
    town: Engine, sent: dict[str, UUID], tmp_path: Path
) -> None:
    wrong = mails.postfix(sent[ANNA]).replace(b"1 Oct 2026 07:30", b"1 Oct 2036 07:30", 1)
    returned(town, tmp_path, wrong, mails.postfix(sent[FELIX]))
    with town.connect() as connection:
        when = dict(connection.execute(select(outcome.c.message_id, outcome.c.occurred_at)).all())
    assert when == {sent[ANNA]: LATER, sent[FELIX]: datetime(2026, 10, 1, 7, 30, tzinfo=UTC)}


def test_every_mail_becomes_exactly_one_thing(town: Engine, sent: dict[str, UUID], tmp_path: Path) -> None:
    inbox = [
        mails.postfix(sent[ANNA]),
        mails.complaint(sent[ANNA]),
        mails.complaint(sent[FELIX], "not-spam"),
        mails.sendmail(sent[BORIS]),
        mails.postfix(sent[DAVID], "2.0.0", "relayed"),
        mails.AWAY,
        mails.QMAIL,
        mails.reply("don't stop!", sent[EMMA]),
        mails.reply("Merci !", sent[EMMA]),
        b"\xff\xfe\x00",
        b"",
    ]
    found = returned(town, tmp_path, *inbox)
    assert found.became == {
        Became.HARD_BOUNCE: 1,
        Became.COMPLAINT: 1,
        Became.AUTOMATIC: 2,
        Became.BLOCKED: 1,
        Became.NO_NEWS: 1,
        Became.PERSON: 5,
    }
    assert adds_up(found)
    assert set(found.left.values()) <= set(RULES)


def test_marks_of_another_key_are_found_out_before_anything_is_read(town: Engine, tmp_path: Path) -> None:
    with town.begin() as connection:
        connection.execute(
            insert(suppression).values(
                channel="email", mark=b"x", reason="unsubscribed", recorded_at=AT, mark_key="old", source="person"
            )
        )
    with pytest.raises(LedgerError, match="another HABITUE_SECRET"):
        returned(town, tmp_path)


class Heap:
    """A mailbox in memory."""

    def __init__(self, raw: Sequence[bytes]) -> None:
        self.raw, self.marked = raw, 0

    def waiting(self, known: object = ()) -> Iterator[list[Letter]]:
        for start in range(0, len(self.raw), 100):
            yield [Letter(str(start + n), one) for n, one in enumerate(self.raw[start : start + 100])]

    def done(self, keys: Sequence[str]) -> None:
        self.marked += len(keys)

    def leave(self, keys: Sequence[str]) -> None:
        self.marked += len(keys)

    def close(self) -> None: ...


def test_a_thousand_mails_in_batches_come_to_the_same(town: Engine, sent: dict[str, UUID]) -> None:
    each = [mails.postfix(sent[ANNA]), mails.reply("STOP", sent[FELIX]), mails.AWAY, mails.complaint(NOBODYS)]
    heap, steps = Heap(each * 250), list[int]()
    found = gather(town, heap, key=KEY, token_keys=[SECRET], rules=SHOP.breaker, at=LATER, on_progress=steps.append)
    assert (found.read, heap.marked, steps[-1]) == (1000, 1000, 1000)
    assert found.became[Became.KNOWN] == 498
    assert len(told(town)) == 2
    assert adds_up(found)


# From end to end


@pytest.mark.parametrize("fault", ["drop store", "late store"])
def test_a_server_that_breaks_off_changes_nothing_in_the_end(
    town: Engine, sent: dict[str, UUID], tmp_path: Path, fault: str
) -> None:
    with serving(tmp_path, faults=Faults({fault: 1}, most=1)) as (server, mailbox):
        server.deliver(mails.postfix(sent[ANNA]), mails.reply("Merci", sent[EMMA]))
        with pytest.raises(MailboxError):
            gather(town, mailbox, key=KEY, token_keys=[SECRET], rules=SHOP.breaker, at=LATER)
        gather(town, mailbox, key=KEY, token_keys=[SECRET], rules=SHOP.breaker, at=LATER)
        assert server.flags() == [{"\\Seen"}, set()]
    assert len(told(town)) == len(suppressed(town)) == 1


def test_a_return_path_names_the_mail_and_comes_back(town: Engine, sent: dict[str, UUID], tmp_path: Path) -> None:
    sink = SmtpSink(tmp_path / "taken", keep=True)
    with running(sink):
        server = Server("127.0.0.1", sink.port, "none", "shop.example", timeout=5)
        with closing(Smtp(server, return_path=mails.RETURN_PATH)) as sender:
            sender.send([replace(mail(1), message_id=str(sent[ANNA]))])
    (envelope,) = sink.envelopes
    assert envelope[0] == f"b+{sent[ANNA]}@bounce.maison-tilleul.example"
    assert b"\r\nFrom: Maison Tilleul <bonjour@maison-tilleul.example>\r\n" in sink.messages[0]
    report = mails.report(
        "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; u1@x.example\nAction: failed\nStatus: 5.1.1",
        None,
        to=envelope[0],
    )
    assert returned(town, tmp_path / "box", report).suppressed == 1


def shop_with(folder: Path) -> Shop:
    return load_shop(overrides={"sender": {"returns": {"maildir": str(folder)}}})


def test_the_command_tells_counts_and_rules_and_nobody_s_name(
    ops: Ops, town: Engine, sent: dict[str, UUID], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = maildir(
        tmp_path / "box",
        mails.postfix(sent[ANNA]),
        mails.reply("STOP", sent[FELIX]),
        mails.QMAIL,
        mails.postfix(NOBODYS, to=f"{CLARA}@example.fr"),
    )
    monkeypatch.setattr("habitue.sources.load_shop", lambda **_: shop_with(folder))
    said = ops.says("returns", "read")
    assert "4 read = 1 hard bounces + 2 left for a person + 1 unsubscribed" in said
    assert "2 suppressed, 1 consents withdrawn" in said
    assert re.search(r"0002\.host: .*RFC 3464", said)
    assert re.search(r"0003\.host: it is about no mail", said)
    assert not re.search("anna|felix|clara|example|exemple", said, re.IGNORECASE)
    assert "2 read = 2 left for a person" in ops.says("returns", "read")
    assert [kind for _, kind in told(town)] == [OutcomeKind.HARD_BOUNCE, OutcomeKind.UNSUBSCRIBED]


def test_a_shop_without_a_mailbox_is_told_so(ops: Ops) -> None:
    assert "sender.returns in shop.yaml names no mailbox" in str(ops.tries("returns", "read").exception)


def test_follow_goes_on_whatever_the_mailbox_does_and_lists_each_mail_once(
    ops: Ops, town: Engine, sent: dict[str, UUID], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = maildir(tmp_path / "box", mails.QMAIL)
    monkeypatch.setattr("habitue.sources.load_shop", lambda **_: shop_with(folder))
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        """Between two looks: the folder is away for one of them, then Anna's bounce arrives."""
        looks.append(seconds)
        match len(looks):
            case 1:
                folder.rename(tmp_path / "away")
            case 2:
                (tmp_path / "away").rename(folder)
                (folder / "new" / "9999.host").write_bytes(mails.postfix(sent[ANNA]))
            case 4:
                raise KeyboardInterrupt

    monkeypatch.setattr("habitue.cli_returns.time.sleep", sleep)
    done = ops.tries("returns", "read", "--follow", "--every", "7")
    assert looks == [7.0] * 4
    assert done.exit_code == 130
    assert done.output.count("0000.host") == 1
    assert "can't be read or written" in done.output
    assert "it is tried again in 7 s" in done.output
    assert "1 read = 1 hard bounces" in done.output
    assert len(suppressed(town)) == 1
