"""What mail that comes back says, whoever wrote it, and that nobody's bytes do any harm."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

import pytest

import returned_mails as mails
from habitue import suppressions, tokens
from habitue.mail_parts import LARGEST
from habitue.returned_mail import Kind, Returned, read, verdict
from habitue.tables import OutcomeKind

ANNAS = UUID("7d1c0001-aaaa-4bbb-8ccc-0123456789ab")
ANNA = suppressions.email("anna@example.fr")
SECRET = b"s" * 32

HARD, BLOCKED = OutcomeKind.HARD_BOUNCE, OutcomeKind.BLOCKED


def told(raw: bytes) -> Returned:
    return read(raw, lambda token: tokens.read(token, SECRET))


# Delivery reports


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (mails.postfix(ANNAS), HARD),
        (mails.exim(ANNAS), HARD),
        (mails.exchange(ANNAS), HARD),
        (mails.gmail(ANNAS), HARD),
        (mails.sendmail(ANNAS), BLOCKED),
        (mails.verp(ANNAS), HARD),
        (mails.postfix(ANNAS, "5.7.1"), BLOCKED),
        (mails.postfix(ANNAS, "5.2.2"), BLOCKED),
        (mails.postfix(ANNAS, "4.4.7"), BLOCKED),
        (mails.postfix(ANNAS, "4.4.1", "delayed"), OutcomeKind.DEFERRED),
        (mails.postfix(ANNAS, "2.0.0", "delivered"), OutcomeKind.DELIVERED),
        (mails.postfix(ANNAS, "2.0.0", "relayed"), None),
        (mails.postfix(ANNAS, "5.1.1", "FAILED (it really is)"), HARD),
        (mails.exim(ANNAS, "550 No such user here"), BLOCKED),
        (mails.exim(ANNAS, "550 blocked, see http://192.0.2.1/ for 5.1.1.7"), BLOCKED),
        (mails.exim(ANNAS, "550 5.7.1 not from you"), BLOCKED),
        (mails.exim(ANNAS, "450 4.1.1 not now"), BLOCKED),
    ],
)
def test_a_report_says_what_became_of_annas_mail(raw: bytes, said: OutcomeKind | None) -> None:
    found = told(raw)
    assert (found.kind, found.about[0]) == (Kind.BOUNCE, ANNAS)
    assert found.said_of(ANNA) is said


@pytest.mark.parametrize("status", ["5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10"])
def test_who_does_not_exist_is_a_hard_bounce_and_only_if_it_failed(status: str) -> None:
    assert verdict("failed", status) is HARD
    assert verdict("delayed", status) is OutcomeKind.DEFERRED
    assert verdict("expanded", status) is None


@pytest.mark.parametrize(
    "status",
    ["", "5.0.0", "5.1.0", "5.1.7", "5.1.8", "5.2.1", "5.2.2", "5.3.4", "5.4.4", "5.7.1", "5.7.26", "4.1.1", "5.1.11"],
)
def test_a_full_box_a_policy_or_a_code_of_many_meanings_says_nothing_of_the_address(status: str) -> None:
    assert verdict("failed", status) is BLOCKED


def test_of_several_recipients_the_one_we_wrote_to_counts() -> None:
    both = b"Final-Recipient: rfc822; other@example.fr\r\nAction: failed\r\nStatus: 5.2.2\r\n\r\n"
    raw = mails.postfix(ANNAS).replace(b"Final-Recipient:", both + b"Final-Recipient:", 1)
    found = told(raw)
    assert len(found.groups) == 2
    assert found.said_of(ANNA) is HARD
    assert found.said_of(suppressions.email("other@example.fr")) is BLOCKED
    assert found.said_of(None) is BLOCKED


def test_a_report_names_whom_our_mail_was_addressed_to() -> None:
    found = told(mails.postfix(ANNAS))
    assert found.names(ANNA)
    assert not told(mails.verp(ANNAS)).names(ANNA)
    assert found.dated == datetime(2026, 10, 1, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (mails.QMAIL, "no_delivery_status"),
        (mails.report("Reporting-MTA: dns; mx.example.fr", None), "no_recipient"),
        (mails.complaint(ANNAS, ""), "no_feedback_type"),
        (b"x" * (LARGEST + 1), "too_large"),
        (b"Subject: x\n" + b"X: y\n" * 20_000, "too_many_parts"),
    ],
)
def test_what_no_program_can_be_sure_of_is_for_a_person(raw: bytes, rule: str) -> None:
    assert (told(raw).kind, told(raw).rule) == (Kind.UNREADABLE, rule)


def test_a_report_that_names_only_an_address_is_about_no_mail_of_ours() -> None:
    """Anybody can write one: Clara's rival, for instance, with Clara's address in it."""
    found = told(mails.postfix("not-an-id", to="clara@example.fr"))
    assert (found.kind, found.about) == (Kind.BOUNCE, ())


# Complaints


def test_a_complaint_is_about_the_mail_that_it_encloses() -> None:
    assert (told(mails.complaint(ANNAS)).kind, told(mails.complaint(ANNAS)).about) == (Kind.COMPLAINT, (ANNAS,))


@pytest.mark.parametrize(
    ("feedback", "kind"),
    [("fraud", Kind.COMPLAINT), ("opt-out", Kind.STOP), ("not-spam", Kind.AUTOMATIC), ("auth-failure", Kind.AUTOMATIC)],
)
def test_not_every_feedback_is_a_complaint(feedback: str, kind: Kind) -> None:
    assert told(mails.complaint(ANNAS, feedback)).kind is kind


def test_a_complaint_may_tell_the_mail_by_its_return_path_alone() -> None:
    named = f"Feedback-Type: abuse\r\nOriginal-Mail-From: <b+{ANNAS}@bounce.maison-tilleul.example>".encode()
    raw = mails.complaint("redacted").replace(b"Feedback-Type: abuse", named)
    assert told(raw).about == (ANNAS,)


# Replies


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "stop",
        "Stop.",
        "STOP !",
        "Stop svp, merci" + mails.QUOTED,
        "désabonnement" + mails.QUOTED,
        "Désabonnement s'il vous plaît",
        "Unsubscribe",
        "Please unsubscribe me.",
        "Bonjour, merci de me désabonner",
        "\n\n   STOP\n\nEnvoyé de mon iPhone" + mails.QUOTED,
        "Je souhaite me désinscrire.\n-- \nAnna",
    ],
)
def test_anna_says_stop(text: str) -> None:
    found = told(mails.reply(text, ANNAS))
    assert (found.kind, found.about) == (Kind.STOP, (ANNAS,))


@pytest.mark.parametrize(
    "text",
    [
        "don't stop!",
        "Stop! I love your tea.",
        "Stop?",
        "Ne me désabonnez pas !",
        "How do I unsubscribe?",
        "Je ne veux pas me désabonner mais changer d'adresse",
        "Bonjour,\nj'aimerais que cela s'arrête, stop." + mails.QUOTED,
    ],
)
def test_what_may_mean_something_else_is_for_a_person(text: str) -> None:
    assert (told(mails.reply(text, ANNAS)).kind, told(mails.reply(text, ANNAS)).rule) == (
        Kind.UNSURE,
        "perhaps_unsubscribes",
    )


@pytest.mark.parametrize(
    "text",
    [
        "Merci pour votre lettre !" + mails.QUOTED,
        mails.QUOTED,
        "",
        "Merci",
        "On Thu, 1 Oct 2026 at 08:00, Maison Tilleul\n<bonjour@maison-tilleul.example> wrote:\n> STOP",
        "Super\n-----Original Message-----\nFrom: Maison Tilleul\nSTOP",
        "J'ouvre à quatre heures",
    ],
)
def test_what_is_quoted_below_says_nothing(text: str) -> None:
    assert told(mails.reply(text, ANNAS)).kind is Kind.REPLY


@pytest.mark.parametrize(
    "subject", ["STOP", "Unsubscribe", "=?utf-8?q?D=C3=A9sabonnement?=", "=?x-unknown?b?U1RPUA==?="]
)
def test_the_subject_may_say_it(subject: str) -> None:
    assert told(mails.reply("", ANNAS, subject=subject)).kind is Kind.STOP


def test_an_answer_to_a_subject_with_that_word_is_for_a_person() -> None:
    assert told(mails.reply("Oui", ANNAS, subject="Re: Stop")).kind is Kind.UNSURE


def test_stop_is_read_in_html_too_and_not_in_what_it_quotes() -> None:
    html = "<html><head><style>p {color: red}</style><title>x</title></head><body><p>{}</p>{}</body></html>"
    quoted = '<div class="gmail_quote">Le 1 oct. : <blockquote><p>STOP</p></blockquote></div>'
    kind = 'text/html; charset="utf-8"'
    says = html.replace("{}", "St&#111;p", 1).replace("{}", quoted)
    silent = html.replace("{}", "Merci !", 1).replace("{}", quoted)
    assert told(mails.reply(says, ANNAS, kind=kind)).kind is Kind.STOP
    assert told(mails.reply(silent, ANNAS, kind=kind)).kind is Kind.REPLY


def test_stop_in_any_charset_and_encoding() -> None:
    old = mails.reply("", ANNAS, kind='text/plain; charset="windows-1252"') + "désabonnement".encode("cp1252")
    coded = mails.reply("U1RPUA==", ANNAS).replace(b"8bit", b"base64")
    strange = mails.reply("STOP", ANNAS, kind='text/plain; charset="klingon"')
    assert [told(raw).kind for raw in (old, coded, strange)] == [Kind.STOP] * 3


def test_the_mailto_form_of_unsubscribing_is_told_by_its_token() -> None:
    token = tokens.sign(ANNAS, SECRET)
    found = told(mails.reply("", subject=f"unsubscribe {token}", headers="Auto-Submitted: auto-generated\n"))
    assert (found.kind, found.about) == (Kind.STOP, (ANNAS,))
    forged = token[:-4] + "AAAA"
    assert told(mails.reply("", subject=forged)).about == ()


@pytest.mark.parametrize(
    "raw",
    [
        mails.AWAY,
        mails.reply("STOP", headers="Auto-Submitted: auto-generated\n"),
        mails.reply("STOP", subject="Absence du bureau : Votre thé"),
        mails.reply("STOP", subject="Automatic reply: Votre thé"),
        mails.reply("STOP", headers="X-Autoreply: yes\n"),
        mails.reply("", kind='multipart/report; report-type=disposition-notification; boundary="x"'),
    ],
)
def test_a_machine_says_nothing(raw: bytes) -> None:
    assert told(raw).kind is Kind.AUTOMATIC


# Whatever comes


def test_a_mail_made_to_fill_the_memory_is_refused_at_once() -> None:
    deep = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(2_000))
    wide = 'Content-Type: multipart/mixed; boundary="b"\n\n' + "--b\nContent-Type: text/plain\n\nx\n" * 100_000
    blank = mails.report("\n\n".join(["Final-Recipient: rfc822; x@y.example\nAction: failed"] * 70_000), None)
    start = time.perf_counter()
    assert told(mails.lines(deep)).rule == "too_many_parts"
    assert told(mails.lines(wide)).rule == "too_many_parts"
    assert len(told(blank).groups) == 50
    assert told(b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b" * 1_500_000).kind is Kind.REPLY
    assert told(b"Subject: " + b"=?utf-8?q?" * 6_000 + b"\n\nx").kind is Kind.REPLY
    assert told(mails.reply("<div>" * 900_000, kind="text/html")).kind is Kind.REPLY
    assert time.perf_counter() - start < 10


SAMPLES = [
    mails.postfix(ANNAS),
    mails.exchange(ANNAS),
    mails.sendmail(ANNAS),
    mails.complaint(ANNAS),
    mails.reply("STOP", ANNAS),
    mails.AWAY,
]
MANY = int(os.environ.get("RANDOM_MAILS", "400"))
"""RANDOM_MAILS=10000 tries so many."""


def spoilt(dice: random.Random) -> bytes:
    """Random bytes, or a mail with some of it cut out, doubled, or overwritten."""
    if dice.random() < 0.2:
        return dice.randbytes(dice.randrange(3_000))
    raw = bytearray(dice.choice(SAMPLES))
    for _ in range(dice.randrange(1, 12)):
        at, size = dice.randrange(len(raw) + 1), dice.randrange(1, 60)
        match dice.randrange(4):
            case 0:
                del raw[at : at + size]
            case 1:
                raw[at:at] = raw[at : at + size]
            case 2:
                raw[at : at + size] = dice.randbytes(size)
            case _:
                raw[at:at] = dice.choice([b"\0", b"\r", b"\n\n", b"=?", b"--frontier\r\n", b";", b'"', b"\xff\xfe"])
    return bytes(raw)


def test_random_mails_do_no_harm() -> None:
    """Each is read as something, and is about no message that it does not name."""
    dice = random.Random(7)
    kinds: Counter[Kind] = Counter()
    for _ in range(MANY):
        raw = spoilt(dice)
        found = told(raw)
        kinds[found.kind] += 1
        assert all(str(one) in raw.decode("latin-1").lower() for one in found.about)
        assert (found.kind is Kind.UNREADABLE) <= (found.rule is not None)
        assert found.said_of(ANNA) in (None, HARD, BLOCKED)
    assert set(kinds) == set(Kind)
