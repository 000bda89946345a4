"""SendGrid's API played by a server on 127.0.0.1 that knows its contract: every answer, and no mail twice."""

from __future__ import annotations

import json
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from habitue.mime import Mail
from habitue.postbag import Patience
from habitue.senders import Receipts
from habitue.sendgrid_api import MOST, SendGrid, payload, together
from loopback import Faults, running
from sendgrid_stub import OPENAPI, SendGridStub
from test_senders import mail

PATIENCE = Patience(tries=3, first=0.01, longest=0.05, silence=20)
KEY = "SG.zz-canary"


def people(count: int) -> list[Mail]:
    """Each with a mail of their own."""
    return [mail(number, text=f"Chère Anna, {number}\n") for number in range(count)]


def alike(count: int) -> list[Mail]:
    return [mail(number) for number in range(count)]


@contextmanager
def sending(stub: SendGridStub, **changes: Any) -> Iterator[SendGrid]:
    with running(stub):
        sender = SendGrid(KEY, stub.base_url, **{"patience": PATIENCE, "timeout": 5, "connections": 4, **changes})
        with closing(sender):
            yield sender


def statuses(answer: Receipts) -> list[str]:
    return [receipt.status.value for receipt in answer.receipts]


def test_every_mail_is_asked_for_once_with_our_own_id_and_over_kept_connections(tmp_path: Path) -> None:
    stub = SendGridStub(tmp_path / "asked", key=KEY)
    batch = people(30)
    with sending(stub) as sender:
        answer = sender.send(batch)
        sender.send([replace(one, message_id=f"again-{one.message_id}") for one in batch])
    assert [receipt.message_id for receipt in answer.receipts] == [one.message_id for one in batch]
    assert statuses(answer) == ["accepted"] * 30
    assert len({receipt.provider_id for receipt in answer.receipts}) == 30
    assert len(stub.taken) == len(set(stub.taken)) == 60
    assert stub.requests == 60
    assert stub.connections <= 4
    assert stub.findings == []
    assert not sender.idempotent


def test_nothing_to_send_is_sent_to_nobody(tmp_path: Path) -> None:
    stub = SendGridStub(tmp_path / "asked")
    with sending(stub) as sender:
        assert sender.send([]) == Receipts([])
    assert stub.requests == 0


def test_our_requests_keep_sendgrids_own_contract(tmp_path: Path) -> None:
    if not OPENAPI.exists():
        pytest.skip(f"SendGrid's OpenAPI file is not here ({OPENAPI.name})")
    stub = SendGridStub(tmp_path / "asked")
    assert stub.schema is not None
    assert list(stub.schema({"personalizations": [{}], "from": {}})) != []
    with sending(stub) as sender:
        assert statuses(sender.send(people(10))) == ["accepted"] * 10
        assert statuses(sender.send(alike(10))) == ["accepted"] * 10
    with sending(stub, sandbox=True) as sender:
        assert statuses(sender.send(people(3))) == ["accepted"] * 3
    assert stub.findings == []


def test_a_request_says_what_the_mail_says_and_nothing_more_about_anna(tmp_path: Path) -> None:
    anna = mail(1, to_name="Lefèvre, Anna; 2nd", to_address="anna@müller.example")
    asked = payload([anna], sandbox=False)
    assert asked == {
        "personalizations": [
            {
                "to": [{"email": "anna@xn--mller-kva.example", "name": "Lefèvre Anna 2nd"}],
                "headers": {
                    "List-Unsubscribe": "<https://u.maison-tilleul.example/u/k>",
                    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                },
                "custom_args": {"message_id": "7d1c-0001"},
            }
        ],
        "from": {"email": "bonjour@maison-tilleul.example", "name": "Maison Tilleul"},
        "reply_to": {"email": "bonjour@maison-tilleul.example"},
        "subject": "Une tasse vous attend",
        "content": [{"type": "text/plain", "value": anna.text}, {"type": "text/html", "value": anna.html}],
        "headers": {
            "List-ID": "<quarterly_letter.maison-tilleul.example>",
            "Feedback-ID": "quarterly_letter:maison-tilleul.example:marketing:habitue",
            "Content-Language": "fr",
        },
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
        },
    }
    assert payload([anna], sandbox=True)["mail_settings"] == {"sandbox_mode": {"enable": True}}


# Who travels together


def test_the_same_content_leaves_in_one_request_and_nobody_sees_another(tmp_path: Path) -> None:
    stub = SendGridStub(tmp_path / "asked")
    with sending(stub) as sender:
        answer = sender.send([*alike(50), *people(3)])
    assert statuses(answer) == ["accepted"] * 53
    assert sorted(len(asked["personalizations"]) for asked in stub.asked) == [1, 1, 1, 50]
    for asked in stub.asked:
        for one in asked["personalizations"]:
            assert len(one["to"]) == 1
            assert set(one) == {"to", "headers", "custom_args"}


def test_a_request_holds_a_thousand_at_the_most_and_each_address_once() -> None:
    mails = [mail(number) for number in range(2 * MOST + 1)]
    assert sorted(map(len, together(mails, range(len(mails))))) == [1, MOST, MOST]
    twice = [mail(1), mail(2), mail(1, to_address="ANNA1@example.fr"), mail(3), mail(1)]
    requests = list(together(twice, range(5)))
    assert sorted(sorted(places) for places in requests) == [[0, 1, 3], [2], [4]]


@pytest.mark.parametrize("change", [{"subject": "x"}, {"text": "x"}, {"html": "x"}, {"language": "en"}])
def test_what_differs_leaves_apart(change: dict[str, Any]) -> None:
    assert len(list(together([mail(1), mail(2, **change)], range(2)))) == 2


@pytest.mark.parametrize("guilty", [{0}, {7}, {3, 4}, {0, 11}])
def test_one_address_that_sendgrid_dislikes_keeps_no_other_from_their_mail(tmp_path: Path, guilty: set[int]) -> None:
    batch = alike(12)
    stub = SendGridStub(tmp_path / "asked", bad=frozenset(batch[place].message_id for place in guilty))
    with sending(stub) as sender:
        answer = sender.send(batch)
    assert answer.stopped is None
    assert {place for place, status in enumerate(statuses(answer)) if status == "refused"} == guilty
    assert Counter(statuses(answer)) == {"refused": len(guilty), "accepted": 12 - len(guilty)}
    assert sorted(stub.taken) == sorted(one.message_id for place, one in enumerate(batch) if place not in guilty)
    reason = answer.receipts[min(guilty)].reason
    assert reason == "SendGrid: 400, personalizations.0.to.0.email"


# What each answer means. The last column: whether a person must see to it first; None: the others may go on.
ALWAYS = {
    "400": ("refused", None),
    "401": ("held", True),
    "403": ("held", True),
    "404": ("held", True),
    "405": ("held", True),
    "redirect": ("held", True),
    "413": ("refused", None),
    "garbage 400": ("refused", None),
    "429": ("held", False),
    "500": ("held", False),
    "502": ("held", False),
    "503": ("held", False),
    "504": ("held", False),
    "reset early": ("unknown", None),
    "reset late": ("unknown", None),
    "garbage": ("unknown", None),
    "silent": ("unknown", None),
    "ok 200": ("unknown", None),
}


@pytest.mark.parametrize("fault", ALWAYS)
def test_each_answer_of_sendgrid_has_one_meaning(tmp_path: Path, fault: str) -> None:
    stub = SendGridStub(tmp_path / "asked", faults=Faults({fault: 1.0}))
    with sending(stub, timeout=0.3) as sender:
        answer = sender.send(people(1))
    status, permanent = ALWAYS[fault]
    assert statuses(answer) == [status]
    assert (answer.stopped.permanent if answer.stopped else None) is permanent
    said = str(answer.receipts[0].reason) + str(answer.stopped)
    assert not re.search("anna|zz-canary", said)
    assert fault in said or not fault.isdigit()
    assert stub.requests == (3 if permanent is False else 1)
    if status != "unknown":
        assert stub.taken == []


@pytest.mark.parametrize("fault", ["429", "500", "502", "503", "504"])
def test_a_busy_sendgrid_is_asked_again(tmp_path: Path, fault: str) -> None:
    stub = SendGridStub(tmp_path / "asked", faults=Faults({fault: 1.0}, most=2))
    with sending(stub) as sender:
        answer = sender.send(people(10))
    assert statuses(answer) == ["accepted"] * 10
    assert len(stub.taken) == len(set(stub.taken)) == 10


@pytest.mark.parametrize("fault", ["413", "garbage 400", "reset early", "reset late", "garbage", "silent"])
def test_one_mail_gone_wrong_takes_no_other_with_it(tmp_path: Path, fault: str) -> None:
    stub = SendGridStub(tmp_path / "asked", faults=Faults({fault: 1.0}, most=1))
    with sending(stub, timeout=0.3) as sender:
        answer = sender.send(people(10))
    assert answer.stopped is None
    assert Counter(statuses(answer)) == {"accepted": 9, ALWAYS[fault][0]: 1}


def test_a_wrong_key_refuses_nobody_and_is_not_shown(tmp_path: Path) -> None:
    stub = SendGridStub(tmp_path / "asked", key="SG.another")
    with sending(stub) as sender:
        answer = sender.send([*people(20), *alike(5)])
        assert KEY not in repr(sender)
    assert statuses(answer) == ["held"] * 25
    assert stub.taken == []
    assert stub.requests <= 4
    assert answer.stopped
    assert answer.stopped.permanent
    assert "HABITUE_SENDGRID_KEY" in str(answer.stopped)
    assert KEY not in str(answer.stopped) + repr(answer)


@pytest.mark.parametrize("field", ["from.email", "reply_to", "tracking_settings.open_tracking"])
def test_what_is_wrong_for_everyone_is_nobodys_refusal(tmp_path: Path, field: str) -> None:
    batch = people(20)
    stub = SendGridStub(tmp_path / "asked", bad=frozenset(one.message_id for one in batch), bad_field=field)
    with sending(stub) as sender:
        answer = sender.send(batch)
    assert statuses(answer) == ["held"] * 20
    assert answer.stopped
    assert answer.stopped.permanent
    assert field in str(answer.stopped)


# The rate limit


@pytest.mark.parametrize(
    ("reset", "date"),
    [("1", None), ("1790000001", "Mon, 21 Sep 2026 14:13:20 GMT")],
    ids=["seconds left", "the time when it ends"],
)
def test_a_used_up_rate_limit_is_waited_for(tmp_path: Path, reset: str, date: str | None) -> None:
    stub = SendGridStub(tmp_path / "asked", faults=Faults({"429": 1.0}, most=1), reset=reset, date=date)
    with sending(stub) as sender:
        start = time.monotonic()
        assert statuses(sender.send(people(20))) == ["accepted"] * 20
    assert 1 <= time.monotonic() - start < 10


def test_the_last_request_of_a_window_is_the_last(tmp_path: Path) -> None:
    stub = SendGridStub(tmp_path / "asked", remaining="0", reset="0.3")
    with sending(stub, connections=1) as sender:
        start = time.monotonic()
        assert statuses(sender.send(people(3))) == ["accepted"] * 3
    assert time.monotonic() - start >= 0.6


def test_nobody_waits_an_hour(tmp_path: Path) -> None:
    stub = SendGridStub(tmp_path / "asked", faults=Faults({"429": 1.0}), reset="3600")
    with sending(stub) as sender:
        start = time.monotonic()
        answer = sender.send(people(20))
    assert time.monotonic() - start < 5
    assert statuses(answer) == ["held"] * 20
    assert answer.stopped
    assert not answer.stopped.permanent
    assert "3600 s" in str(answer.stopped)


# Nobody there, and chaos


def test_nobody_at_home_holds_everything() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with closing(SendGrid(KEY, url, patience=PATIENCE, timeout=1)) as sender:
            answer = sender.send(people(5))
    assert statuses(answer) == ["held"] * 5
    assert answer.stopped
    assert not answer.stopped.permanent


def test_a_name_that_nobody_has_holds_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with closing(SendGrid(KEY, "https://api.shop.example", patience=PATIENCE, timeout=1)) as sender:
        answer = sender.send(people(5))
    assert statuses(answer) == ["held"] * 5
    assert answer.stopped
    assert not answer.stopped.permanent


def test_as_shipped_a_busy_provider_is_asked_six_times_after_one_two_four_seconds_and_never_more_than_sixty() -> None:
    patience = Patience()
    assert patience.tries == 6
    for tried, seconds in enumerate((1, 2, 4, 8, 16, 32, 60, 60), start=1):
        pauses = [patience.pause(tried) for _ in range(50)]
        assert seconds <= min(pauses) <= max(pauses) <= 1.25 * seconds
        assert len(set(pauses)) > 40  # not all come back at once


def test_a_certificate_of_nobody_we_trust_holds_everything(tmp_path: Path) -> None:
    from loopback import certificate
    from smtp_sink import SmtpSink

    _, context = certificate(tmp_path / "tls")
    sink = SmtpSink(tmp_path / "taken", security="tls", tls=context)
    with (
        running(sink),
        closing(SendGrid(KEY, f"https://127.0.0.1:{sink.port}", patience=PATIENCE, timeout=5)) as sender,
    ):
        answer = sender.send(people(5))
    assert statuses(answer) == ["held"] * 5
    assert answer.stopped
    assert answer.stopped.permanent
    assert sink.commands == []


def test_a_sendgrid_that_never_answers_gets_no_more_of_them(tmp_path: Path) -> None:
    stub = SendGridStub(tmp_path / "asked", faults=Faults({"reset late": 1.0}))
    with sending(stub, connections=2) as sender:
        counted = Counter(statuses(sender.send(people(50))))
    assert counted["unknown"] <= 6
    assert counted["held"] == 50 - counted["unknown"]


CHAOS = {
    **dict.fromkeys(["429", "500", "502", "503", "504"], 0.03),
    **dict.fromkeys(["413", "garbage 400", "reset early", "reset late", "garbage"], 0.03),
    "silent": 0.005,
}


@pytest.mark.parametrize("seed", range(4))
def test_no_mail_leaves_twice_whatever_sendgrid_does(tmp_path: Path, seed: int) -> None:
    """Some with content of their own, some alike. What is held is sent again, as the ledger would; the stub judges."""
    stub = SendGridStub(tmp_path / "asked", faults=Faults(CHAOS, seed), reset="0.01")
    ends: dict[str, str] = {}
    left = [*people(150), *(mail(number, text=f"{number % 9}") for number in range(200, 300))]
    with sending(stub, timeout=0.3) as sender:
        for _ in range(20):
            answer = sender.send(left)
            taken = set(stub.taken)
            assert [receipt.message_id for receipt in answer.receipts] == [one.message_id for one in left]
            for receipt in answer.receipts:
                ends[receipt.message_id] = receipt.status
                assert receipt.status in ("accepted", "unknown") or receipt.message_id not in taken
            left = [one for one in left if ends[one.message_id] == "held"]
            if not left:
                break
    assert left == []
    assert len(stub.taken) == len(set(stub.taken))
    assert {key for key, end in ends.items() if end == "accepted"} <= set(stub.taken)
    assert set(stub.taken) <= {key for key, end in ends.items() if end in ("accepted", "unknown")}
    assert {"accepted", "refused", "unknown"} <= set(ends.values())


@pytest.mark.parametrize(
    "changes",
    [
        {"to_name": "Anna\r\nBcc: clara@example.fr"},
        {"to_name": "Anna\x00"},
        {"to_address": "anna@example.fr,clara@example.fr"},
        {"to_address": "anna@example.fr\nclara"},
        {"subject": "tea\r\nBcc: clara@example.fr"},
        {"subject": "tea\u2028"},
        {"unsubscribe_url": "https://u.example/k>\r\nBcc: <clara@example.fr"},
        {"unsubscribe_url": "mailto:clara@example.fr"},
        {"message_id": "x\r\ny"},
        {"text": "tea\x00"},
        {"html": "<p>\x1b</p>"},
    ],
)
def test_nobody_smuggles_a_header_into_a_request(tmp_path: Path, changes: dict[str, str]) -> None:
    stub = SendGridStub(tmp_path / "asked")
    with sending(stub) as sender:
        answer = sender.send([mail(1), mail(2, **changes), mail(3)])
    assert statuses(answer) == ["accepted", "refused", "accepted"]
    assert "clara" not in str(answer.receipts[1].reason)
    assert stub.taken == ["7d1c-0001", "7d1c-0003"]
    assert stub.findings == []
    assert "clara" not in json.dumps(stub.asked)


@pytest.mark.parametrize("name", ["Anna &#13;&#10;Bcc: x@example.fr,", '"Anna"', "<b>", "{{name}}", "=?utf-8?q?A?="])
def test_a_name_is_a_name(tmp_path: Path, name: str) -> None:
    stub = SendGridStub(tmp_path / "asked")
    with sending(stub) as sender:
        assert statuses(sender.send([mail(1, to_name=name)])) == ["accepted"]
    assert stub.asked[0]["personalizations"][0]["to"][0]["name"] == re.sub(r"\s*[,;]\s*", " ", name)
    assert stub.findings == []


def test_the_stub_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    import subprocess
    import sys

    record = tmp_path / "asked"
    command = [sys.executable, str(Path(__file__).with_name("sendgrid_stub.py")), "--record", str(record)]
    with subprocess.Popen([*command, "--seed", "1", "--fault", "413=0.5"], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        url = f"http://127.0.0.1:{int(run.stdout.readline())}"
        with closing(SendGrid(KEY, url, patience=PATIENCE)) as sender:
            answer = sender.send(people(20))
        run.terminate()
    accepted = {one.message_id for one in answer.receipts if one.status == "accepted"}
    assert 0 < len(accepted) < 20
    assert {line.split()[0] for line in record.read_text().splitlines() if line.endswith(" accepted")} == accepted
