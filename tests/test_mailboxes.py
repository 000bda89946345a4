"""A maildir and an IMAP folder: what is taken, what becomes of it, and that nothing is lost or read twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from habitue.errors import MailboxError, SettingError
from habitue.house import House
from habitue.mail_parts import LARGEST
from habitue.mailboxes import BATCH, Imap, Maildir, open_mailbox
from habitue.shop import ImapSettings, ReturnsSettings, load_shop
from imap_server import ImapServer
from loopback import Faults, certificate, running

ONE, TWO = b"Subject: one\r\n\r\n1\r\n", b"Subject: two\r\n\r\n2\r\n"
SECRET = "zz-canary"


def maildir(folder: Path, *mails: bytes) -> Path:
    for part in ("tmp", "new", "cur"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number, raw in enumerate(mails):
        (folder / "new" / f"{number:04}.host").write_bytes(raw)
    return folder


def taken(mailbox: Any, known: tuple[str, ...] = ()) -> dict[str, bytes | None]:
    return {letter.key: letter.raw for batch in mailbox.waiting(known) for letter in batch}


# A maildir


def test_what_is_done_is_read_and_what_is_left_stays_unread(tmp_path: Path) -> None:
    mailbox = Maildir(maildir(tmp_path, ONE, TWO))
    assert taken(mailbox) == {"0000.host": ONE, "0001.host": TWO}
    mailbox.done(["0000.host"])
    mailbox.leave(["0001.host"])
    assert [path.name for path in (tmp_path / "cur").iterdir()] == ["0000.host:2,S"]
    assert taken(mailbox) == {"0001.host": TWO}
    assert taken(mailbox, known=("0001.host",)) == {}


def test_a_mail_that_a_reader_moved_but_nobody_read_is_taken_and_keeps_its_flags(tmp_path: Path) -> None:
    mailbox = Maildir(maildir(tmp_path))
    for name in ("a:2,F", "b:2,RS", "c:2,"):
        (tmp_path / "cur" / name).write_bytes(ONE)
    assert set(taken(mailbox)) == {"a:2,F", "c:2,"}
    mailbox.done(["a:2,F", "c:2,"])
    assert {path.name for path in (tmp_path / "cur").iterdir()} == {"a:2,FS", "b:2,RS", "c:2,S"}


def test_mails_may_go_to_folders_of_their_own(tmp_path: Path) -> None:
    mailbox = Maildir(maildir(tmp_path, ONE, TWO), ".done", ".person")
    assert len(taken(mailbox)) == 2
    mailbox.done(["0000.host"])
    mailbox.leave(["0001.host"])
    assert [path.name for path in (tmp_path / ".done" / "cur").iterdir()] == ["0000.host:2,S"]
    assert [path.name for path in (tmp_path / ".person" / "new").iterdir()] == ["0001.host"]
    assert taken(mailbox) == {}


def test_a_large_mail_is_not_read_and_a_link_is_no_mail(tmp_path: Path) -> None:
    mailbox = Maildir(maildir(tmp_path, b"x" * (LARGEST + 1)))
    (tmp_path / "new" / "link").symlink_to("/etc/hosts")
    (tmp_path / "new" / ".hidden").write_bytes(ONE)
    assert taken(mailbox) == {"0000.host": None}


def test_who_takes_a_mail_away_meanwhile_disturbs_nobody(tmp_path: Path) -> None:
    mailbox = Maildir(maildir(tmp_path, *[ONE] * (BATCH + 1)))
    batches = mailbox.waiting()
    assert len(next(batches)) == BATCH
    (tmp_path / "new" / f"{BATCH:04}.host").unlink()
    assert next(batches) == []
    mailbox.done([f"{BATCH:04}.host"])


def test_a_folder_that_is_no_maildir_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MailboxError, match=r"it has the folders new and cur.*sender\.returns\.maildir"):
        taken(Maildir(tmp_path / "nowhere"))


# IMAP


@contextmanager
def serving(tmp_path: Path, **changes: Any) -> Iterator[tuple[ImapServer, Imap]]:
    """A server that runs, and a mailbox on it; changes to the mailbox by its own names, else to the server."""
    file, context = certificate(tmp_path / "tls")
    ours = {name: changes.pop(name) for name in ("done_folder", "person_folder") if name in changes}
    settings = {name: changes.pop(name) for name in ("folder", "ca_file", "timeout") if name in changes}
    password = changes.pop("password", SECRET)
    server = ImapServer(context, login=("shop", SECRET), **changes)
    with running(server):
        chosen: dict[str, Any] = {"ca_file": file, "timeout": 5, **settings}
        where = ImapSettings(host="127.0.0.1", port=server.port, security=server.security, username="shop", **chosen)
        with closing(Imap(where, password, **ours)) as mailbox:
            yield server, mailbox


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_folder_on_a_server_is_read_by_tls(tmp_path: Path, security: str) -> None:
    with serving(tmp_path, security=security) as (server, mailbox):
        server.deliver(ONE, TWO, TWO)
        assert taken(mailbox) == {"1": ONE, "2": TWO, "3": TWO}
        assert server.flags() == [set()] * 3
        mailbox.done(["1", "3"])
        mailbox.leave(["2"])
        assert server.flags() == [{"\\Seen"}, set(), {"\\Seen"}]
        assert taken(mailbox) == {"2": TWO}
        assert taken(mailbox, known=("2",)) == {}
        mailbox.done([])
        assert "login" in server.asked


@pytest.mark.parametrize("can_move", [True, False])
def test_mails_may_be_moved_on_the_server(tmp_path: Path, can_move: bool) -> None:
    with serving(tmp_path, can_move=can_move, done_folder="Done", person_folder="To read") as (server, mailbox):
        server.folders |= {"Done": [], "To read": []}
        server.deliver(ONE, TWO)
        assert len(taken(mailbox)) == 2
        mailbox.done(["1"])
        mailbox.leave(["2"])
        assert [message.raw for message in server.folders["Done"]] == [ONE]
        assert [message.raw for message in server.folders["To read"]] == [TWO]
        assert server.flags("Done") == [{"\\Seen"}]
        assert taken(mailbox) == {}


def test_a_large_mail_is_never_fetched(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, mailbox):
        server.deliver(b"x" * (LARGEST + 1), ONE)
        assert taken(mailbox) == {"1": None, "2": ONE}
        assert not any(line.startswith("fetch 1 (UID BODY") for line in server.asked)


def test_more_mails_than_a_batch(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, mailbox):
        server.deliver(*[ONE] * (2 * BATCH + 1))
        sizes = []
        for batch in mailbox.waiting():
            mailbox.done([letter.key for letter in batch])
            sizes.append(len(batch))
        assert sizes == [BATCH, BATCH, 1]
        assert taken(mailbox) == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": "wrong"}, "failed at the log-in"),
        ({"faults": Faults({"no login": 1})}, "failed at the log-in"),
        ({"folder": "Nowhere"}, r"failed at the folder; see sender\.returns\.imap\.folder"),
        ({"faults": Faults({"no select": 1})}, "failed at the folder"),
        ({"faults": Faults({"drop fetch": 1})}, "broke off at FETCH"),
        ({"done_folder": "Nowhere"}, "refused MOVE"),
    ],
)
def test_what_a_server_refuses_is_a_sentence_without_its_words(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with serving(tmp_path, **changes) as (server, mailbox):
        server.deliver(ONE)
        with pytest.raises(MailboxError, match=said) as refused:
            (taken(mailbox), mailbox.done(["1"]))
        assert SECRET not in str(refused.value)
        assert SECRET not in repr(mailbox)


def test_a_server_whose_certificate_is_another_s_gets_no_password(tmp_path: Path) -> None:
    other, _ = certificate(tmp_path / "other", host="imap.other.example")
    for security in ("tls", "starttls"):
        with serving(tmp_path, ca_file=other, security=security) as (server, mailbox):
            with pytest.raises(SettingError, match="a certificate that can't be trusted"):
                taken(mailbox)
            assert "login" not in server.asked


def test_a_server_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, mailbox):
        pass
    with pytest.raises(MailboxError, match="failed at the connection"):
        taken(mailbox)


# What the shop says of it


@pytest.mark.parametrize(
    "returns",
    [
        {},
        {"maildir": "/var/mail/shop", "imap": {"host": "a.example", "username": "shop"}},
        {"imap": {"host": "a.example"}},
        {"imap": {"host": "a.example", "username": "shop", "security": "none"}},
        {"imap": {"host": "a.example", "username": "shop", "password": SECRET}},
        {"imap": {"host": "a.example", "username": "shop", "folder": 'IN"BOX'}},
        {"maildir": "/var/mail/shop", "done_folder": "a\r\nb"},
    ],
)
def test_a_wrong_setting_is_a_sentence(returns: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=r"sender\.returns") as said:
        load_shop(overrides={"sender": {"returns": returns}})
    assert SECRET not in str(said.value)


@pytest.mark.parametrize("in_a_file", [True, False])
def test_the_password_stands_in_the_environment_or_in_a_file(tmp_path: Path, in_a_file: bool) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    name = "HABITUE_IMAP_PASSWORD"
    given = {f"{name}_FILE": str(tmp_path / "secret")} if in_a_file else {name: SECRET}
    house = House.of({"HABITUE_DATABASE_URL": "postgresql://nowhere/", "HABITUE_OUT": str(tmp_path), **given})
    assert house.imap_password == SECRET
    assert SECRET not in repr(house)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    imap = ReturnsSettings.model_validate({"imap": {"host": "a.example", "username": "shop"}})
    with pytest.raises(SettingError, match="HABITUE_IMAP_PASSWORD is not set"):
        open_mailbox(imap, None)
    with pytest.raises(SettingError, match="names no mailbox"):
        open_mailbox(None, SECRET)
    assert SECRET not in repr(open_mailbox(imap, SECRET))
    assert open_mailbox(ReturnsSettings(maildir=tmp_path), None) == Maildir(tmp_path)
