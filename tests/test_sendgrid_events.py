"""What SendGrid says of a mail, in our words; whatever it says, nothing of it breaks us, and no address is kept."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import SHARED
from habitue import suppressions
from habitue.sendgrid_events import KINDS, Told, Unreadable, read
from habitue.tables import Apart, OutcomeKind, SuppressionReason
from people import AT, KEY
from sendgrid_posts import body, event

ONE = uuid4()
ANNA = "anna@example.fr"


def told(kind: str, **more: Any) -> Told:
    (found,) = read(body([event(kind, ONE, ANNA, AT, **more)]), KEY)
    return found


def the_same(one: Told, other: Told) -> bool:
    return bool({*one.names} & {*other.names})


WORDS = [
    ("processed", {}, OutcomeKind.ACCEPTED, None),
    ("deferred", {"attempt": "5"}, OutcomeKind.DEFERRED, None),
    ("delivered", {}, OutcomeKind.DELIVERED, None),
    ("bounce", {"type": "bounce"}, OutcomeKind.HARD_BOUNCE, SuppressionReason.HARD_BOUNCE),
    ("bounce", {}, OutcomeKind.HARD_BOUNCE, SuppressionReason.HARD_BOUNCE),
    ("bounce", {"type": "blocked"}, OutcomeKind.BLOCKED, None),
    ("bounce", {"type": "something new"}, OutcomeKind.BLOCKED, None),
    ("dropped", {"reason": "Bounced Address"}, OutcomeKind.DROPPED, SuppressionReason.HARD_BOUNCE),
    ("dropped", {"reason": "Invalid"}, OutcomeKind.DROPPED, SuppressionReason.HARD_BOUNCE),
    ("dropped", {"reason": "Unsubscribed Address"}, OutcomeKind.DROPPED, SuppressionReason.UNSUBSCRIBED),
    ("dropped", {"reason": "Spam Reporting Address"}, OutcomeKind.DROPPED, SuppressionReason.SPAM_COMPLAINT),
    ("dropped", {"reason": "Invalid SMTPAPI header"}, OutcomeKind.DROPPED, None),
    ("dropped", {"reason": "Spam Content"}, OutcomeKind.DROPPED, None),
    ("dropped", {"reason": "Recipient List over Package Quota"}, OutcomeKind.DROPPED, None),
    ("dropped", {}, OutcomeKind.DROPPED, None),
    ("open", {}, OutcomeKind.OPENED, None),
    ("open", {"sg_machine_open": False}, OutcomeKind.OPENED, None),
    ("open", {"sg_machine_open": True}, OutcomeKind.MACHINE_OPENED, None),
    ("click", {"url": "https://shop.example/"}, OutcomeKind.CLICKED, None),
    ("spamreport", {}, OutcomeKind.COMPLAINT, SuppressionReason.SPAM_COMPLAINT),
    ("unsubscribe", {}, OutcomeKind.UNSUBSCRIBED, SuppressionReason.UNSUBSCRIBED),
    ("group_unsubscribe", {"asm_group_id": 10}, OutcomeKind.UNSUBSCRIBED, SuppressionReason.UNSUBSCRIBED),
    ("group_resubscribe", {"asm_group_id": 10}, OutcomeKind.RESUBSCRIBED, None),
]


@pytest.mark.parametrize(("kind", "more", "meant", "suppresses"), WORDS)
def test_each_event_means_one_thing_to_us(
    kind: str, more: dict[str, Any], meant: OutcomeKind, suppresses: SuppressionReason | None
) -> None:
    found = told(kind, **more)
    assert (found.kind, found.suppresses, found.apart) == (meant, suppresses, None)
    assert (found.message_id, found.occurred_at) == (ONE, AT)
    assert found.withdraws == (suppresses in (SuppressionReason.UNSUBSCRIBED, SuppressionReason.SPAM_COMPLAINT))
    assert found.mark == KEY.mark(suppressions.email("Anna@Example.fr "))


def test_every_type_that_sendgrid_documents_is_tried() -> None:
    assert {kind for kind, *_ in WORDS} == {*KINDS}


def test_an_event_is_known_by_its_meaning_and_by_its_id() -> None:
    click = {"url": "https://shop.example/a", "url_offset": {"index": 0, "type": "html"}}
    first = told("click", **click, sg_event_id="one")
    assert the_same(first, told("click", **click, sg_event_id="another: it came again"))
    assert the_same(first, told("click", **click))
    assert the_same(first, told("click", url="https://shop.example/A", sg_event_id="one"))
    assert not the_same(first, told("click", **{**click, "url_offset": {"index": 1, "type": "html"}}, sg_event_id="2"))
    assert not the_same(first, told("click", **{**click, "url": "https://shop.example/b"}))
    assert not the_same(told("deferred", attempt="1"), told("deferred", attempt="2"))
    assert the_same(told("deferred", attempt="2"), told("deferred", attempt=2))
    # One id for two things, as in SendGrid's own examples: neither may hide the other.
    assert not the_same(told("bounce", type="blocked", sg_event_id="x"), told("bounce", type="bounce", sg_event_id="x"))


def test_the_name_of_an_event_sorts_by_its_moment() -> None:
    early, late = told("open"), told("open", timestamp=int(AT.timestamp()) + 1)
    assert early.meaning < late.meaning
    assert str(early.meaning) < str(late.meaning)


def test_every_published_sample_is_read() -> None:
    file = SHARED / "sendgrid" / "event_samples.json"
    if not file.is_file():
        pytest.skip("the published samples are not here")
    found: Counter[str] = Counter()
    for block in json.loads(file.read_text("utf-8"))["blocks"]:
        sample = block["json"]
        for one in read(json.dumps(sample).encode(), KEY):
            given = sample[one.place] if isinstance(sample, list) else sample
            assert (one.apart is Apart.UNREADABLE) == ("event" not in given)
            found[one.kind or one.apart] += 1  # type: ignore[index]
            assert one.occurred_at is None or one.occurred_at.year < 2022
    assert found == {
        "accepted": 6, "deferred": 2, "delivered": 3, "hard_bounce": 2, "blocked": 1, "dropped": 2, "opened": 7,
        "clicked": 4, "complaint": 2, "unsubscribed": 5, "resubscribed": 2, "unreadable": 3,
    }  # fmt: skip


def test_moments_are_seconds_digits_or_milliseconds() -> None:
    for given_as in (1591726752, "1591726752", 1591726752.4, 1591726752372):
        assert told("open", timestamp=given_as).occurred_at == datetime(2020, 6, 9, 18, 19, 12, tzinfo=UTC)
    for none in (None, True, "soon", "", -5, 0, 10**400, float("inf"), float("nan"), [], "٣", "9" * 15):
        assert told("open", timestamp=none).apart is Apart.UNREADABLE


@pytest.mark.parametrize(
    "post",
    [b"", b"{", b"[", b"null", b'"x"', b"17", b"\xff\xfe[]", b"\x1f\x8b\x08", b"[" * 100_000, b"1" * 5000, b"[]x"],
)
def test_a_post_that_is_no_list_of_events_says_so_without_a_word_of_it(post: bytes) -> None:
    with pytest.raises(Unreadable, match=r"^not (JSON|a list of events)$"):
        read(post, KEY)


@pytest.mark.parametrize("nothing", [{}, [], None, 1, "x", {"event": None}, {"event": []}, {"event": "open"}])
def test_what_is_no_event_is_kept_apart_and_the_same_if_it_comes_again(nothing: Any) -> None:
    post = json.dumps([nothing]).encode()
    (first,), (again,), (other,) = read(post, KEY), read(post, KEY), read(json.dumps([nothing, 1]).encode(), KEY)[:1]
    assert first.apart is Apart.UNREADABLE
    assert the_same(first, again)
    assert not the_same(first, other)


def test_what_this_version_does_not_know_is_kept_apart_by_its_type() -> None:
    found = told("teleported")
    assert (found.apart, found.type, found.kind) == (Apart.UNKNOWN_TYPE, "teleported", None)
    assert told(f"{ANNA} wrote").type is None  # no word: it might say who
    (account,) = read(b'[{"event": "account_status_change", "type": "suspended"}]', KEY)
    assert (account.apart, account.message_id, account.occurred_at) == (Apart.ACCOUNT, None, None)


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", "\x00", "a@b", str(ONE)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("email", "timestamp", "message_id", "sg_event_id", "sg_message_id", "type", "reason", "url", "url_offset")


@settings(max_examples=300)
@given(
    st.sampled_from([*KINDS, "account_status_change", "x", "\ud800", ""]),
    st.dictionaries(st.sampled_from([*FIELDS, "attempt", "sg_machine_open"]), JUNK),
    st.integers(0, 99),
)
def test_whatever_stands_in_an_event_is_read_in_one_way(kind: str, junk: dict[str, Any], seed: int) -> None:
    given_as = {**event(kind, ONE, ANNA, AT), **junk}
    turned = list(given_as.items())
    random.Random(seed).shuffle(turned)
    (one,), (other,) = read(json.dumps([given_as]).encode(), KEY), read(json.dumps([dict(turned)]).encode(), KEY)
    assert one.apart is Apart.UNREADABLE or one.names == other.names
    assert one.apart == other.apart
    assert ANNA not in repr(one)
