"""What leaves as a mail comes back from the standard library's parser as it went in."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from habitue.errors import SendError
from habitue.mime import Mail, Origin, check, write
from habitue.sendgrid_api import SendGrid, payload
from habitue.shop import Shop, load_shop

ORIGIN = Origin.of(load_shop(), "quarterly_letter", datetime(2026, 10, 1, 6, tzinfo=UTC))

ANNA = Mail(
    message_id="7d1c-0001",
    to_name="Anna Lefèvre",
    to_address="anna@example.fr",
    subject="Votre thé préféré vous attend",
    text="Chère Anna,\n\nà bientôt !\n",
    html="<p>Chère Anna,</p>\n<p>à bientôt !</p>",
    language="fr",
    unsubscribe_url="https://u.maison-tilleul.example/u/" + "k" * 43,
    origin=ORIGIN,
)
"""Anna buys often and much, and has nothing against a mail."""

BREAKS = ["\r\nBcc: boris@example.fr", "\n", "\r", "\x00", "\x0b", "\x1b[31m", "\x85", "\u2028", "\u2029", "\ud800"]
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=90)
BODIES = st.text(st.one_of(st.characters(exclude_categories=["Cs", "Cc"]), st.sampled_from("\n\t .=")), max_size=3000)


def parsed(mail: Mail) -> EmailMessage:
    return message_from_bytes(write(mail), policy=policy.default)


def defects(message: EmailMessage) -> list[object]:
    headers = [defect for part in message.walk() for _, value in part.items() for defect in value.defects]
    return [*headers, *(defect for part in message.walk() for defect in part.defects)]


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def canonical(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


@settings(max_examples=60, deadline=None)
@given(text=BODIES, html=BODIES)
@example(text=".\n..\nFrom me\n", html="=_7d1c\n--=_\n")
@example(text="ends with a space ", html="x" * 2000)
@example(text="", html="")
@example(text="a\rb\r\nc\nd", html="\ttab\t\n")
def test_both_parts_come_back_as_they_went_in(text: str, html: str) -> None:
    message = parsed(replace(ANNA, text=text, html=html))
    assert [inner.get_content_type() for inner in message.iter_parts()] == ["text/plain", "text/html"]
    assert part(message, "plain") == canonical(text)
    assert part(message, "html") == canonical(html)
    assert defects(message) == []


@settings(max_examples=60, deadline=None)
@given(subject=WORDS)
@example(subject="=?utf-8?q?not_encoded?=")
@example(subject=" spaces around ")
@example(subject="é" * 80)
@example(subject="🍵" * 40)
@example(subject="a" * 300)
def test_a_subject_comes_back_as_it_went_in(subject: str) -> None:
    message = parsed(replace(ANNA, subject=subject))
    assert message["Subject"] == subject
    assert defects(message) == []


@settings(max_examples=60, deadline=None)
@given(name=WORDS)
@example(name="O'Brien, Jr. (Bob) <bob@example.com>")
@example(name='Jean "Jeannot" Le\\Breton')
@example(name="Élodie Æon-Długosz de la Très Longue Famille des Montmorency")
@example(name="=1+1")
@example(name="{{ 7*7 }}")
def test_a_name_comes_back_as_it_went_in_and_never_as_an_address(name: str) -> None:
    raw = write(replace(ANNA, to_name=name))
    written = message_from_bytes(raw, policy=policy.compat32)["To"]
    phrase, address = parseaddr(re.sub(r"\r?\n ", " ", written))
    assert address == "anna@example.fr"
    assert str(make_header(decode_header(phrase))) == name
    strict = message_from_bytes(raw, policy=policy.default)["To"]
    assert [found.addr_spec for found in strict.addresses] == ["anna@example.fr"]
    assert list(strict.defects) == []


@settings(max_examples=60, deadline=None)
@given(subject=WORDS, name=WORDS)
@example(subject="000" + "\xa0" * 12 + "𐀀" * 4, name="\xe9" * 40)
def test_no_line_is_longer_than_mail_allows_and_all_is_ascii(subject: str, name: str) -> None:
    raw = write(replace(ANNA, subject=subject, to_name=name))
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    lines = raw.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert max(len(line) for line in lines if not line.startswith(b"List-Unsubscribe:")) <= 76


@given(text=BODIES, html=BODIES)
@example(text="é" * 200, html="")
def test_every_line_ends_as_mail_servers_want_it(text: str, html: str) -> None:
    """A bare CR or LF ends a line for some and not for others: with it, mails are smuggled into mails."""
    assert not re.search(rb"[^\r]\n|\r(?!\n)", write(replace(ANNA, text=text, html=html)))


def test_unsubscribe_headers_stand_on_one_line_each_however_long_the_link() -> None:
    link = "https://u.maison-tilleul.example/u/" + "A-_z9" * 150
    raw = write(replace(ANNA, unsubscribe_url=link)).decode("ascii")
    head = raw.split("\r\n\r\n", 1)[0]
    assert f"\r\nList-Unsubscribe: <{link}>\r\n" in head
    assert "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in head
    assert head.count("List-Unsubscribe:") == head.count("List-Unsubscribe-Post:") == 1


@pytest.mark.parametrize(
    "link",
    [
        "http://u.maison-tilleul.example/u/k",
        "https://u.maison-tilleul.example/u/a b",
        "https://u.maison-tilleul.example/u/k>, <https://evil.example/",
        "https://u.maison-tilleul.example/u/k\r\nX: 1",
        "https://u.maison-tilleul.example/u/" + "k" * 1000,
        "mailto:stop@example.fr",
        "",
    ],
)
def test_a_link_that_mail_programs_could_not_follow_is_refused(link: str) -> None:
    with pytest.raises(SendError, match=r"^Message 7d1c-0001: List-Unsubscribe ") as refused:
        write(replace(ANNA, unsubscribe_url=link))
    assert refused.value.permanent
    assert "http://" not in str(refused.value)
    assert "evil" not in str(refused.value)


def test_a_shop_that_reads_mails_offers_an_address_too_whose_subject_is_the_token() -> None:
    token = "A-_z9" * 60
    link = f"https://u.maison-tilleul.example/u/{token}"
    origin = replace(ORIGIN, unsubscribe_mailto="stop+50%@thé.example")
    raw = write(replace(ANNA, unsubscribe_url=link, origin=origin))
    [line] = re.findall(rb"^List-Unsubscribe: .*$", raw, re.MULTILINE)
    assert re.match(rb"^List-Unsubscribe: <https://[^>]+>", line)
    mailto = f"<mailto:stop%2B50%25@xn--th-cja.example?subject={token}>"
    assert line.decode() == f"List-Unsubscribe: <{link}>, {mailto}\r"
    assert b"\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw
    with pytest.raises(SendError, match="longer than a line"):
        write(replace(ANNA, unsubscribe_url=link + "k" * 600, origin=origin))


@pytest.mark.parametrize(
    "bad", ["stop", "stop@example.fr?bcc=boris@example.fr", "a@b.fr,c@d.fr", "stop@example.fr\r\nX: 1"]
)
def test_an_address_for_unsubscribing_is_one_plain_address(bad: str) -> None:
    with pytest.raises(SendError, match="List-Unsubscribe"):
        write(replace(ANNA, origin=replace(ORIGIN, unsubscribe_mailto=bad)))


@pytest.mark.parametrize(
    ("sender", "link"),
    [
        ({}, "https://u.maison-tilleul.example/p/"),
        ({"unsubscribe_url": "https://shop.example/mail/u/"}, "https://shop.example/mail/p/"),
        ({"preferences_url": "https://shop.example/choices/"}, "https://shop.example/choices/"),
        ({"preferences_url": None}, None),
    ],
)
def test_the_page_of_preferences_stands_beside_the_one_that_unsubscribes(sender: dict[str, str], link: str) -> None:
    shop = load_shop(overrides={"sender": sender})
    assert shop.sender.preferences_url == link
    assert Shop.model_validate(shop.model_dump(mode="json")) == shop


def test_no_mail_of_a_campaign_says_that_no_person_sent_it() -> None:
    """RFC 3834: Auto-Submitted is for what robots answer. List-ID keeps absence notices away."""
    assert not {"auto-submitted", "precedence", "bcc", "cc"} & {name.lower() for name in parsed(ANNA)}


CONTROLS = st.sampled_from([*map(chr, range(32)), "\x7f", "\x85", "\x9f", "\u2028", "\u2029", "\ud800"])
OF_A_MAIL = ["message_id", "to_name", "to_address", "subject", "language", "unsubscribe_url"]
OF_A_RUN = ["from_name", "from_address", "reply_to", "domain", "list_id", "feedback_id", "unsubscribe_mailto"]


@settings(max_examples=200, deadline=None)
@given(field=st.sampled_from([*OF_A_MAIL, *OF_A_RUN]), control=CONTROLS, at=st.integers(0, 12))
def test_no_control_character_reaches_either_sender(field: str, control: str, at: int) -> None:
    """By SMTP the mail is written by us, by SendGrid's API it is only checked by us: both refuse it for good."""
    origin = replace(ORIGIN, unsubscribe_mailto="stop@maison-tilleul.example")
    if field in OF_A_MAIL:
        whole = getattr(ANNA, field)
        mail = replace(ANNA, origin=origin, **{field: whole[:at] + control + whole[at:]})
    else:
        whole = getattr(origin, field)
        mail = replace(ANNA, origin=replace(origin, **{field: whole[:at] + control + whole[at:]}))
    for build in (write, check):
        with pytest.raises(SendError) as refused:
            build(mail)
        assert refused.value.permanent
        assert not re.search("anna|lefèvre|stop@|préféré", str(refused.value), re.IGNORECASE)
    with closing(SendGrid("SG.zz-canary", "http://127.0.0.1:9")) as sender:
        answer = sender.send([mail])
    assert [receipt.status.value for receipt in answer.receipts] == ["refused"]


@settings(max_examples=60, deadline=None)
@given(subject=WORDS, name=WORDS, text=BODIES)
def test_what_may_leave_says_the_same_by_both_senders_and_copies_it_to_nobody(
    subject: str, name: str, text: str
) -> None:
    mail = replace(ANNA, subject=subject, to_name=name, text=text)
    written, asked = parsed(mail), payload([mail], sandbox=False)
    headers = {**asked["headers"], **asked["personalizations"][0]["headers"]}
    assert {key: written[key] for key in headers} == headers
    assert {"List-Unsubscribe", "List-Unsubscribe-Post", "List-ID", "Feedback-ID"} <= headers.keys()
    assert not {"bcc", "cc"} & {key.lower() for key in [*written, *asked["personalizations"][0], *headers]}
    assert all(value.isprintable() for value in headers.values())


@pytest.mark.parametrize("bad", BREAKS)
@pytest.mark.parametrize(("header", "field"), [("To", "to_name"), ("To", "to_address"), ("Subject", "subject")])
def test_a_line_break_in_any_disguise_never_becomes_a_header(header: str, field: str, bad: str) -> None:
    with pytest.raises(SendError) as refused:
        write(replace(ANNA, **{field: getattr(ANNA, field) + bad}))
    assert refused.value.permanent
    assert str(refused.value).startswith(f"Message 7d1c-0001: {header} can't be written")
    assert not re.search("anna|lefèvre|boris|préféré", str(refused.value), re.IGNORECASE)


@pytest.mark.parametrize("bad", BREAKS)
@pytest.mark.parametrize("field", ["from_name", "from_address", "reply_to", "list_id", "feedback_id", "domain"])
def test_a_shop_setting_with_a_line_break_is_refused(field: str, bad: str) -> None:
    origin = replace(ORIGIN, **{field: getattr(ORIGIN, field) + bad})
    with pytest.raises(SendError):
        write(replace(ANNA, origin=origin))


@pytest.mark.parametrize("bad", ["\x00", "\x08", "\x1b[2J", "\x7f", "\ud800"])
@pytest.mark.parametrize("field", ["text", "html"])
def test_a_control_character_in_a_body_is_refused(field: str, bad: str) -> None:
    with pytest.raises(SendError, match="7d1c-0001"):
        write(replace(ANNA, **{field: f"a{bad}b"}))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "anna",
        "anna@",
        "@example.fr",
        "anna@example",
        "anna@@example.fr",
        "anna@example.fr, boris@example.fr",
        "anna@example.fr>",
        "Anna <anna@example.fr>",
        ".anna@example.fr",
        "an..na@example.fr",
        "anna @example.fr",
        "anna@-example.fr",
        "anna@exa_mple.fr",
        "änna@example.fr",
        "a" * 65 + "@example.fr",
        "anna@" + "a." * 130 + "fr",
        "anna@exam\u200bple..fr",
    ],
)
def test_what_is_no_single_address_is_refused(address: str) -> None:
    with pytest.raises(SendError, match="7d1c-0001: To "):
        write(replace(ANNA, to_address=address))


def test_an_accented_domain_is_written_in_ascii() -> None:
    assert parsed(replace(ANNA, to_address="anna@thé.example"))["To"].addresses[0].domain == "xn--th-cja.example"


@pytest.mark.parametrize("key", ["", "a b", "a@b", "../up", "a/b", ".a", "a..b", "a\r\nb", "é", "a" * 121])
def test_an_id_that_is_no_id_is_refused(key: str) -> None:
    with pytest.raises(SendError, match="Message-ID"):
        write(replace(ANNA, message_id=key))


def test_the_same_mail_is_the_same_bytes_and_another_id_another_message() -> None:
    assert write(ANNA) == write(replace(ANNA))
    one, other = parsed(ANNA), parsed(replace(ANNA, message_id="7d1c-0002"))
    assert one["Message-ID"] == "<7d1c-0001@maison-tilleul.example>"
    assert one.get_boundary() != other.get_boundary()


def test_each_header_stands_once_and_says_what_it_should() -> None:
    message = parsed(ANNA)
    assert len(message.keys()) == len({name.lower() for name in message})
    assert "Bcc" not in message
    assert message["From"] == "Maison Tilleul <bonjour@maison-tilleul.example>"
    assert message["Reply-To"] == "bonjour@maison-tilleul.example"
    assert message["Date"].datetime == datetime(2026, 10, 1, 6, tzinfo=UTC)
    assert message["List-ID"] == "<quarterly_letter.maison-tilleul.example>"
    assert message["Feedback-ID"] == "quarterly_letter:maison-tilleul.example:marketing:habitue"
    assert message["Content-Language"] == "fr"


def test_a_time_without_its_zone_is_refused() -> None:
    naive = replace(ORIGIN, date=ORIGIN.date.replace(tzinfo=None))
    with pytest.raises(SendError, match="Date"):
        write(replace(ANNA, origin=naive))
