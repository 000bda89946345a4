"""SMTP against real servers on 127.0.0.1: every answer that a mail server can give, and no mail twice."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from habitue.errors import SettingError
from habitue.mime import Mail, write
from habitue.postbag import REFUSED_IN_A_ROW, Patience
from habitue.senders import Receipts
from habitue.shop import DkimSettings, Limit
from habitue.signatures import Signer
from habitue.smtp import Smtp
from habitue.smtp_connection import Server
from loopback import Faults, certificate, running
from smtp_sink import SmtpSink
from test_senders import mail

PATIENCE = Patience(tries=3, first=0.01, longest=0.05, silence=20)


def people(count: int) -> list[Mail]:
    return [mail(number) for number in range(count)]


def trusting(file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=file)


@contextmanager
def sending(sink: SmtpSink, **changes: Any) -> Iterator[Smtp]:
    """A sender to a running sink; `changes` to the Server by its own names, else to the sender."""
    server = Server("127.0.0.1", 0, "none", "shop.example", timeout=changes.pop("timeout", 5.0))
    of_server = {name: changes.pop(name) for name in ("security", "username", "password", "tls") if name in changes}
    with running(sink):
        sender = Smtp(replace(server, port=sink.port, **of_server), **{"patience": PATIENCE, **changes})
        with closing(sender):
            yield sender


def statuses(answer: Receipts) -> list[str]:
    return [receipt.status.value for receipt in answer.receipts]


def test_every_mail_arrives_once_and_connections_are_kept_between_batches(tmp_path: Path) -> None:
    sink = SmtpSink(tmp_path / "taken", keep=True)
    batch = people(40)
    with sending(sink, connections=3) as sender:
        answer = sender.send(batch)
        sender.send([replace(one, message_id=f"again-{one.message_id}") for one in batch])
    assert [receipt.message_id for receipt in answer.receipts] == [one.message_id for one in batch]
    assert statuses(answer) == ["accepted"] * 40
    assert answer.stopped is None
    assert answer.receipts[7].provider_id == "Q7d1c-0007"
    assert len(sink.taken) == len(set(sink.taken)) == 80
    assert set(sink.envelopes) == {("bonjour@maison-tilleul.example", one.to_address) for one in batch}
    assert {write(one) for one in batch} <= set(sink.messages)
    assert sink.connections == 3
    assert sink.commands.count(b"QUIT") == 3
    assert not sender.idempotent


def test_nothing_to_send_is_sent_to_nobody(tmp_path: Path) -> None:
    sink = SmtpSink(tmp_path / "taken")
    with sending(sink) as sender:
        assert sender.send([]) == Receipts([])
    assert sink.connections == 0


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("text", [".\n", "..\nun\n.\n\n.deux\n", "\n.", "x" * 2000 + "\n" + "." * 2000])
def test_a_line_with_a_dot_ends_no_mail(tmp_path: Path, text: str, pipelining: bool) -> None:
    sink = SmtpSink(tmp_path / "taken", keep=True, pipelining=pipelining)
    batch = [mail(1, text=text), mail(2)]
    with sending(sink, connections=1) as sender:
        assert statuses(sender.send(batch)) == ["accepted"] * 2
    assert sink.messages == [write(one) for one in batch]


# What each answer means. `held` mails may be tried again: nobody has them.
ALWAYS = {
    "mail 421": ("held", False),
    "mail 450": ("held", False),
    "mail 550": ("held", True),
    "mail garbage": ("held", False),
    "rcpt 450": ("held", False),
    "rcpt 550": ("refused", None),
    "rcpt reset": ("held", False),
    "data 451": ("held", False),
    "dot 421": ("held", False),
    "dot 451": ("held", False),
    "dot 554": ("refused", None),
    "reset early": ("unknown", None),
    "reset late": ("unknown", None),
    "dot garbage": ("unknown", None),
    "silent": ("unknown", None),
}


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("fault", ALWAYS)
def test_each_answer_of_a_mail_server_has_one_meaning(tmp_path: Path, fault: str, pipelining: bool) -> None:
    """`None`: that mail has its answer and the others may go on; else whether a person must see to it first."""
    sink = SmtpSink(tmp_path / "taken", faults=Faults({fault: 1.0}), pipelining=pipelining)
    with sending(sink, timeout=0.2, connections=1) as sender:
        answer = sender.send(people(1))
    status, permanent = ALWAYS[fault]
    assert statuses(answer) == [status]
    assert (answer.stopped.permanent if answer.stopped else None) is permanent
    reason = str(answer.receipts[0].reason) + str(answer.stopped)
    assert "anna" not in reason
    assert "example.fr" not in reason
    assert fault[-3:] in reason or not fault[-3:].isdigit()
    if status in ("held", "refused"):
        assert sink.taken == []


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    "fault", ["mail 421", "mail 450", "mail garbage", "rcpt 450", "rcpt reset", "data 451", "dot 421", "dot 451"]
)
def test_a_server_that_is_busy_once_is_asked_again(tmp_path: Path, fault: str, pipelining: bool) -> None:
    sink = SmtpSink(tmp_path / "taken", faults=Faults({fault: 1.0}, most=2), pipelining=pipelining)
    with sending(sink, connections=2) as sender:
        answer = sender.send(people(10))
    assert statuses(answer) == ["accepted"] * 10
    assert sorted(sink.taken) == sorted(one.message_id for one in people(10))


@pytest.mark.parametrize("fault", ["rcpt 550", "dot 554", "reset late", "dot garbage", "silent"])
def test_one_mail_gone_wrong_takes_no_other_with_it(tmp_path: Path, fault: str) -> None:
    sink = SmtpSink(tmp_path / "taken", faults=Faults({fault: 1.0}, most=1))
    with sending(sink, connections=2, timeout=0.2) as sender:
        answer = sender.send(people(10))
    assert answer.stopped is None
    assert Counter(statuses(answer)) == {"accepted": 9, ALWAYS[fault][0]: 1}


def test_a_server_that_loses_one_mail_after_the_other_gets_no_more_of_them(tmp_path: Path) -> None:
    sink = SmtpSink(tmp_path / "taken", faults=Faults({"reset late": 1.0}))
    with sending(sink, connections=2) as sender:
        answer = sender.send(people(50))
    counted = Counter(statuses(answer))
    assert counted["unknown"] <= 6
    assert counted["held"] == 50 - counted["unknown"]
    assert answer.stopped
    assert not answer.stopped.permanent


def test_a_server_that_refuses_everyone_is_not_shown_the_whole_list(tmp_path: Path) -> None:
    """A relay that wants another sender says 550 to each; a whole campaign of refusals would be lost."""
    sink = SmtpSink(tmp_path / "taken", faults=Faults({"rcpt 550": 1.0}))
    with sending(sink, connections=1) as sender:
        answer = sender.send(people(50))
    assert Counter(statuses(answer)) == {"refused": REFUSED_IN_A_ROW, "held": 50 - REFUSED_IN_A_ROW}
    assert answer.stopped
    assert answer.stopped.permanent


def test_nobody_at_home_holds_everything(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused
        sender = Smtp(Server("127.0.0.1", taken.getsockname()[1], "none", "shop.example", 1), patience=PATIENCE)
        with closing(sender):
            answer = sender.send(people(5))
    assert statuses(answer) == ["held"] * 5
    assert answer.stopped
    assert not answer.stopped.permanent


def test_a_name_that_nobody_has_holds_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with closing(Smtp(Server("mail.shop.example", 25, "none", "shop.example", 1), patience=PATIENCE)) as sender:
        answer = sender.send(people(5))
    assert statuses(answer) == ["held"] * 5
    assert "gaierror" in str(answer.stopped)


def test_connections_that_the_server_closed_in_the_meantime_put_no_mail_in_doubt(tmp_path: Path) -> None:
    sink = SmtpSink(tmp_path / "taken")
    with sending(sink, connections=4) as sender:
        assert statuses(sender.send(people(20))) == ["accepted"] * 20
        sink.hang_up()
        assert statuses(sender.send([mail(number) for number in range(20, 40)])) == ["accepted"] * 20
    assert len(sink.taken) == len(set(sink.taken)) == 40
    assert sink.connections == 8


def test_a_server_that_likes_fewer_connections_gets_every_mail_over_those(tmp_path: Path) -> None:
    sink = SmtpSink(tmp_path / "taken", room=2, faults=Faults({"slow": 1.0}), delay=0.003)
    with sending(sink, connections=6) as sender:
        answer = sender.send(people(60))
    assert statuses(answer) == ["accepted"] * 60
    assert answer.stopped is None


CHAOS = {
    **dict.fromkeys(["mail 421", "mail 450", "mail garbage", "rcpt 450", "rcpt reset", "data 451"], 0.02),
    **dict.fromkeys(["dot 421", "dot 451", "reset early", "reset late", "dot garbage"], 0.02),
    **dict.fromkeys(["rcpt 550", "dot 554"], 0.03),
    "silent": 0.003,
    "slow": 0.01,
}


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_no_mail_leaves_twice_whatever_the_server_does(tmp_path: Path, seed: int, pipelining: bool) -> None:
    """What is held is sent again, as the ledger would, until nothing is; the sink's own list is the judge."""
    sink = SmtpSink(tmp_path / "taken", faults=Faults(CHAOS, seed), pipelining=pipelining, delay=0.01)
    ends: dict[str, str] = {}
    left = people(300)
    with sending(sink, connections=5, timeout=0.2) as sender:
        for _ in range(20):
            answer = sender.send(left)
            taken = set(sink.taken)
            assert [receipt.message_id for receipt in answer.receipts] == [one.message_id for one in left]
            for receipt in answer.receipts:
                ends[receipt.message_id] = receipt.status
                assert receipt.status in ("accepted", "unknown") or receipt.message_id not in taken
            left = [one for one in left if ends[one.message_id] == "held"]
            if not left:
                break
    assert left == []
    assert len(sink.taken) == len(set(sink.taken))
    assert {key for key, end in ends.items() if end == "accepted"} <= set(sink.taken)
    assert set(sink.taken) <= {key for key, end in ends.items() if end in ("accepted", "unknown")}
    assert {"accepted", "refused", "unknown"} <= set(ends.values())
    assert len(sink.faults.drawn) > 30


# Who listens in


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("ways", ["PLAIN", "LOGIN"])
def test_mails_travel_encrypted_after_a_log_in(tmp_path: Path, security: Any, ways: str) -> None:
    file, context = certificate(tmp_path / "tls")
    sink = SmtpSink(tmp_path / "taken", security=security, tls=context, login=("shop", "sésame"), ways=ways)
    with sending(
        sink, connections=2, security=security, tls=trusting(file), username="shop", password="sésame"
    ) as sender:
        assert statuses(sender.send(people(20))) == ["accepted"] * 20
    assert len(sink.taken) == 20
    assert any(command.startswith(b"AUTH " + ways.encode()) for command in sink.commands)


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("wrong", ["made by nobody we trust", "of another host"])
def test_a_wrong_certificate_holds_everything(tmp_path: Path, security: Any, wrong: str) -> None:
    file, context = certificate(tmp_path / "tls", "127.0.0.1" if "trust" in wrong else "mail.example")
    trusted = ssl.create_default_context() if "trust" in wrong else trusting(file)
    sink = SmtpSink(tmp_path / "taken", security=security, tls=context, login=("shop", "s"))
    with sending(sink, security=security, tls=trusted, username="shop", password="sésame") as sender:
        answer = sender.send(people(10))
    assert statuses(answer) == ["held"] * 10
    assert answer.stopped
    assert answer.stopped.permanent
    assert "certificate" in str(answer.stopped)
    assert sink.taken == []
    assert not any(command.startswith((b"MAIL", b"AUTH")) for command in sink.commands)


def test_a_server_without_starttls_gets_no_mail_in_the_clear(tmp_path: Path) -> None:
    sink = SmtpSink(tmp_path / "taken")
    with sending(sink, security="starttls", tls=ssl.create_default_context()) as sender:
        answer = sender.send(people(3))
    assert statuses(answer) == ["held"] * 3
    assert "STARTTLS" in str(answer.stopped)
    assert {command.split()[0] for command in sink.commands} == {b"EHLO"}


def test_what_a_stranger_wrote_before_the_encryption_is_believed_by_nobody() -> None:
    """An attacker adds answers in the clear behind the server's `220`: they would count as the server's own."""
    heard: list[bytes] = []

    def attacker(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"220 sink\r\n")
                    heard.append(connection.recv(1000))
                    connection.sendall(b"250-sink\r\n250 STARTTLS\r\n")
                    heard.append(connection.recv(1000))
                    connection.sendall(b"220 go\r\n250-sink\r\n250 AUTH PLAIN\r\n")
                    heard.append(connection.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=attacker, args=(listener,), daemon=True).start()
        server = Server(
            "127.0.0.1",
            listener.getsockname()[1],
            "starttls",
            "shop.example",
            timeout=1,
            username="shop",
            password="sésame",
            tls=ssl.create_default_context(),
        )
        with closing(Smtp(server, connections=1, patience=PATIENCE)) as sender:
            answer = sender.send(people(1))
    assert statuses(answer) == ["held"]
    assert set(heard) <= {b"EHLO shop.example\r\n", b"STARTTLS\r\n", b""}


def test_a_wrong_password_is_a_setting_and_nobodys_refusal(tmp_path: Path) -> None:
    file, context = certificate(tmp_path / "tls")
    sink = SmtpSink(tmp_path / "taken", security="starttls", tls=context, login=("shop", "sésame"))
    with sending(sink, security="starttls", tls=trusting(file), username="shop", password="zzz-canary") as sender:
        answer = sender.send(people(3))
        assert "zzz-canary" not in repr(sender)
    assert statuses(answer) == ["held"] * 3
    assert answer.stopped
    assert answer.stopped.permanent
    assert "535 5.7.8" in str(answer.stopped)
    assert "HABITUE_SMTP_PASSWORD" in str(answer.stopped)
    assert "zzz-canary" not in str(answer.stopped) + repr(answer)


@pytest.mark.parametrize(
    "changes",
    [
        {"to_address": "anna@example.fr>\r\nRCPT TO:<clara@example.fr"},
        {"to_address": "anna@example.fr\r\nDATA"},
        {"to_address": "anna@example.fr> NOTIFY=NEVER"},
        {"to_address": "anna@example.fr,clara@example.fr"},
        {"to_address": "anna@example.fr\n"},
        {"to_name": "Anna\r\n.\r\nMAIL FROM:<x@example.fr>"},
        {"to_name": "Anna\nBcc: clara@example.fr"},
        {"subject": "tea\r\n\r\n.\r\nQUIT"},
        {"subject": "tea\x00"},
        {"unsubscribe_url": "https://u.example/k>\r\nBcc: <clara@example.fr"},
        {"message_id": "x>\r\nBcc: clara@example.fr"},
    ],
)
@pytest.mark.parametrize("pipelining", [True, False])
def test_nobody_smuggles_a_command_or_a_header(tmp_path: Path, changes: dict[str, str], pipelining: bool) -> None:
    sink = SmtpSink(tmp_path / "taken", keep=True, pipelining=pipelining)
    with sending(sink, connections=1) as sender:
        answer = sender.send([mail(1), mail(2, **changes), mail(3)])
    assert statuses(answer) == ["accepted", "refused", "accepted"]
    assert "clara" not in str(answer.receipts[1].reason)
    assert sink.messages == [write(mail(1)), write(mail(3))]
    assert [recipient for _, recipient in sink.envelopes] == ["anna1@example.fr", "anna3@example.fr"]


def test_a_domain_gets_no_more_at_once_and_no_more_a_second_than_it_likes(tmp_path: Path) -> None:
    sink = SmtpSink(tmp_path / "taken", faults=Faults({"slow": 1.0}), delay=0.005)
    domains = ["slow.example"] * 8 + ["other.example"] * 24
    batch = [mail(number, to_address=f"anna{number}@{domain}") for number, domain in enumerate(domains)]
    with sending(sink, connections=6, limits={"slow.example": Limit(at_once=1)}) as sender:
        assert statuses(sender.send(batch)) == ["accepted"] * 32
    assert sink.peak["slow.example"] == 1
    assert sink.peak["other.example"] > 1


@pytest.mark.parametrize(("domain", "count"), [("example.fr", 10), ("*", 10), ("other.example", 0)])
def test_mails_leave_no_faster_than_allowed(tmp_path: Path, domain: str, count: int) -> None:
    with sending(SmtpSink(tmp_path / "taken"), connections=4, limits={domain: Limit(a_second=25)}) as sender:
        start = time.monotonic()
        assert statuses(sender.send(people(10))) == ["accepted"] * 10
    assert time.monotonic() - start >= (count - 1) / 25


# The signature


def signer(folder: Path) -> tuple[Signer, bytes]:
    """A signer and what its domain's DNS says."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    file = folder / "dkim.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    settings = DkimSettings(selector="letters", domain="maison-tilleul.example", key_file=file)
    return Signer.of(settings), b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


def verified(message: bytes, record: bytes) -> bool:
    import dkim

    def dns(name: bytes, timeout: int = 5) -> bytes:
        assert name == b"letters._domainkey.maison-tilleul.example."
        return record

    return bool(dkim.verify(message, dnsfunc=dns))


def test_what_arrives_bears_a_signature_that_covers_unsubscribing(tmp_path: Path) -> None:
    mine, record = signer(tmp_path)
    sink = SmtpSink(tmp_path / "taken", keep=True)
    batch = [mail(1, to_name="Élodie " * 12, subject="é" * 90), mail(2, text=".\n \n\n"), mail(3, html="\n\n\n")]
    with sending(sink, signer=mine) as sender:
        assert statuses(sender.send(batch)) == ["accepted"] * 3
    for message in sink.messages:
        assert verified(message, record)
        signature = message.partition(b"\r\nDate:")[0].replace(b"\r\n ", b"")
        names = signature.partition(b"h=")[2].partition(b";")[0].split(b":")
        assert {b"list-unsubscribe", b"list-unsubscribe-post", b"to", b"subject", b"date"} <= set(names)
        assert names.count(b"from") == 2
        for changed in (
            message.replace(b"List-Unsubscribe=One-Click", b"List-Unsubscribe=Two-Click"),
            message.replace(b"/u/k>", b"/u/l>"),
            b"From: Clara <clara@example.fr>\r\n" + message,
            message.replace(b"multipart/alternative", b"multipart/mixed"),
            message + b"One line more\r\n",
        ):
            assert changed != message
            assert not verified(changed, record)
    assert max(len(line) for message in sink.messages for line in message.split(b"\r\n")) < 998


def test_the_same_mail_gets_the_same_signature(tmp_path: Path) -> None:
    mine, _ = signer(tmp_path)
    assert mine.sign(write(mail())) == mine.sign(write(mail()))


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n"])
def test_a_file_without_a_key_is_a_setting_to_mend(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "dkim.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingError, match="key_file"):
        Signer.of(DkimSettings(selector="s", domain="shop.example", key_file=file))


# A second judge: aiosmtpd, which many know


class Drawer:
    """What aiosmtpd was given."""

    def __init__(self) -> None:
        self.given: list[tuple[str, list[str], bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.given.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 2.0.0 ok"


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_well_known_server_finds_our_manners_good(tmp_path: Path, encrypted: bool) -> None:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    file, context = certificate(tmp_path / "tls")
    drawer = Drawer()

    def judge(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        return AuthResult(success=(data.login, data.password) == (b"shop", "sésame".encode()))

    asked = {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": judge}
    controller = Controller(drawer, hostname="127.0.0.1", port=free_port(), **(asked if encrypted else {}))
    controller.start()
    try:
        server = Server(
            "127.0.0.1",
            controller.port,
            "starttls" if encrypted else "none",
            "shop.example",
            timeout=10,
            username="shop" if encrypted else None,
            password="sésame",
            tls=trusting(file),
        )
        batch = [mail(1, text=".\n..\n"), mail(2, to_name="Élodie"), mail(3, to_address="anna@müller.example"), mail(4)]
        with closing(Smtp(server, connections=2, patience=PATIENCE)) as sender:
            answers = [sender.send(batch[:2]), sender.send(batch[2:])]
    finally:
        controller.stop()
    assert [statuses(answer) for answer in answers] == [["accepted"] * 2] * 2
    given = {content: (sender, recipients) for sender, recipients, content in drawer.given}
    assert set(given) == {write(one) for one in batch}
    assert given[write(batch[0])] == ("bonjour@maison-tilleul.example", ["anna1@example.fr"])
    assert given[write(batch[2])][1] == ["anna@xn--mller-kva.example"]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_the_sink_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    import subprocess
    import sys

    record = tmp_path / "taken"
    command = [sys.executable, str(Path(__file__).with_name("smtp_sink.py")), "--record", str(record)]
    with subprocess.Popen(
        [*command, "--seed", "1", "--fault", "rcpt 550=0.5"], stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout
        server = Server("127.0.0.1", int(run.stdout.readline()), "none", "shop.example", 5)
        with closing(Smtp(server, patience=PATIENCE)) as sender:
            answer = sender.send(people(20))
        run.terminate()
    accepted = {one.message_id for one in answer.receipts if one.status == "accepted"}
    assert 0 < len(accepted) < 20
    assert set(record.read_text().split()) == accepted
