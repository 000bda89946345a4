"""The outbox: one file a mail, whole or not at all, and a page that shows them without trusting them."""

from __future__ import annotations

import json
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from habitue.errors import LedgerError
from habitue.mime import Mail, Origin, read, write
from habitue.senders import PREVIEWS, ListedMail, Outbox, Receipt, Status, replace_file, write_index
from habitue.shop import load_shop

SHOP = load_shop()
ORIGIN = Origin.of(SHOP, "quarterly_letter", datetime(2026, 10, 1, 6, tzinfo=UTC))


def mail(number: int = 1, **changes: Any) -> Mail:
    """A mail to Anna, who buys often and much."""
    one = Mail(
        message_id=f"7d1c-{number:04}",
        to_name="Anna Lefèvre",
        to_address=f"anna{number}@example.fr",
        subject="Une tasse vous attend",
        text="Chère Anna,\n",
        html="<!doctype html><html><body><p>Chère Anna,</p></body></html>",
        language="fr",
        unsubscribe_url="https://u.maison-tilleul.example/u/k",
        origin=ORIGIN,
    )
    return replace(one, **changes)


def test_each_mail_is_a_file_and_each_has_its_receipt(tmp_path: Path) -> None:
    mails = [mail(number) for number in range(5)]
    receipts = Outbox(tmp_path / "emails").send(mails).receipts
    assert receipts == [Receipt(one.message_id, Status.ACCEPTED, provider_id=f"{one.message_id}.eml") for one in mails]
    assert sorted(path.name for path in (tmp_path / "emails").iterdir()) == [f"{one.message_id}.eml" for one in mails]
    assert (tmp_path / "emails" / "7d1c-0003.eml").read_bytes() == write(mails[3])


def test_a_mail_sent_twice_is_one_mail(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    first = outbox.send([mail()])
    before = (tmp_path / "7d1c-0001.eml").read_bytes()
    assert outbox.send([mail()]) == first
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]
    assert outbox.idempotent


def test_what_cannot_be_written_is_refused_with_its_rule_and_stops_nobody_else(tmp_path: Path) -> None:
    mails = [mail(1), mail(2, to_name="Boris\r\nBcc: clara@example.fr"), mail(3, to_address="nobody"), mail(4)]
    receipts = Outbox(tmp_path).send(mails).receipts
    assert [receipt.status for receipt in receipts] == ["accepted", "refused", "refused", "accepted"]
    assert [receipt.message_id for receipt in receipts] == [one.message_id for one in mails]
    assert "control character or a line break" in str(receipts[1].reason)
    assert not re.search("boris|clara|nobody|example", " ".join(str(one.reason) for one in receipts), re.IGNORECASE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["7d1c-0001.eml", "7d1c-0004.eml"]


@pytest.mark.parametrize("key", ["../../etc/passwd", "a/b", "..", "", "a\x00b"])
def test_no_message_id_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    folder = tmp_path / "emails"
    receipts = Outbox(folder).send([mail(message_id=key)]).receipts
    assert receipts[0].status == "refused"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_written_to_holds_the_rest_and_says_to_try_again(tmp_path: Path) -> None:
    (tmp_path / "7d1c-0001.eml").mkdir()
    answer = Outbox(tmp_path).send([mail(number) for number in range(4)])
    assert [receipt.status for receipt in answer.receipts] == ["accepted", "held", "held", "held"]
    assert "7d1c-0001.eml can't be written" in str(answer.stopped)
    assert answer.stopped
    assert not answer.stopped.permanent
    assert sorted(path.name for path in tmp_path.iterdir()) == ["7d1c-0000.eml", "7d1c-0001.eml"]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    replace_file(kept, b"the last good state")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            replace_file(kept, b"x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert kept.read_bytes() == b"the last good state"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


KILLED = """
import os, signal, sys
from pathlib import Path
from habitue import senders
real = Path.replace
def killed(self, target):
    if len(list(target.parent.glob("*.eml"))) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, target)
Path.replace = killed
sys.path.insert(0, sys.argv[2])
from test_senders import mail
senders.Outbox(Path(sys.argv[1])).send([mail(number) for number in range(10)])
"""


def test_a_killed_sender_leaves_whole_files_and_the_next_one_finishes(tmp_path: Path) -> None:
    here = str(Path(__file__).parent)
    died = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), here], capture_output=True)
    assert died.returncode == -signal.SIGKILL
    left = {path.name: path.read_bytes() for path in tmp_path.glob("*.eml")}
    assert left == {f"7d1c-{number:04}.eml": write(mail(number)) for number in range(3)}
    again = Outbox(tmp_path).send([mail(number) for number in range(10)])
    assert [one.status for one in again.receipts] == ["accepted"] * 10
    assert len(list(tmp_path.glob("*.eml"))) == 10


def test_a_written_mail_can_be_read_back() -> None:
    said = read(write(mail(to_name='Élodie "Lili" Æon, Jr.', text="un\n=deux\n", subject="é" * 60)))
    assert (said.to_name, said.to_address) == ('Élodie "Lili" Æon, Jr.', "anna1@example.fr")
    assert (said.subject, said.language) == ("é" * 60, "fr")
    assert said.list_id == "quarterly_letter.maison-tilleul.example"
    assert (said.text, said.html) == ("un\r\n=deux\r\n", mail().html)
    with pytest.raises(ValueError, match="no mail of ours"):
        read(b"To: x\r\n\r\nhello")


class Scripts(HTMLParser):
    """The elements of a page and the content of its scripts, as a browser tells them apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            self.scripts.append(data)


def listed(numbers: Iterator[int] | range) -> Iterator[ListedMail]:
    return (ListedMail(f"7d1c-{number:04}", "lapsed", "quarterly_letter") for number in numbers)


def rows(folder: Path) -> list[list[str]]:
    found: list[list[str]] = json.loads(Scripts((folder / "index.html").read_text("utf-8")).scripts[0])[0]
    return found


def previews(folder: Path) -> list[list[str]]:
    """Every body that the page can show, in the order of its list."""
    bodies = []
    for number, path in enumerate(sorted((folder / "previews").iterdir())):
        call = re.fullmatch(rf"previews\({number}, (.*)\);\n", path.read_text("utf-8"), re.DOTALL)
        assert call
        bodies += json.loads(call[1])
    return bodies


def test_the_page_lists_every_mail_and_can_show_it(tmp_path: Path) -> None:
    count = 2 * PREVIEWS + 7
    Outbox(tmp_path).send([mail(number, html=f"<p>{number}</p>") for number in range(count)])
    assert write_index(tmp_path, listed(range(count)), shop=SHOP) == count
    assert [row[0] for row in rows(tmp_path)] == [f"7d1c-{number:04}" for number in range(count)]
    assert rows(tmp_path)[5] == [
        "7d1c-0005",
        "Une tasse vous attend",
        "Anna Lefèvre",
        "anna5@example.fr",
        "lapsed",
        "fr",
        "quarterly_letter",
    ]
    assert [html for html, _ in previews(tmp_path)] == [f"<p>{number}</p>" for number in range(count)]


def test_the_page_written_again_is_the_same_and_forgets_what_is_gone(tmp_path: Path) -> None:
    Outbox(tmp_path).send([mail(number) for number in range(2 * PREVIEWS)])
    write_index(tmp_path, listed(range(2 * PREVIEWS)), shop=SHOP)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_index(tmp_path, listed(range(2 * PREVIEWS)), shop=SHOP)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    write_index(tmp_path, listed(range(3)), shop=SHOP)
    assert len(previews(tmp_path)) == len(rows(tmp_path)) == 3
    write_index(tmp_path, iter(()), shop=SHOP)
    assert previews(tmp_path) == rows(tmp_path) == []


@pytest.mark.parametrize("naughty", ["</script><b>", "<!--<script>", "\\u003c", "{{ 7*7 }}", "'\"&", "a\u2028b"])
def test_a_naughty_body_or_name_is_data_on_the_page(tmp_path: Path, naughty: str) -> None:
    name = naughty.replace("\u2028", " ")
    plain = tmp_path / "plain"
    for folder, called, body in ((plain, "Anna", "<p>a</p>"), (tmp_path, name, f"<p>{naughty}</p>")):
        Outbox(folder).send([mail(to_name=called, subject=called, html=body, text=body)])
        write_index(folder, listed(range(1, 2)), shop=SHOP)
    page = Scripts((tmp_path / "index.html").read_text("utf-8"))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in Scripts((plain / "index.html").read_text("utf-8")).tags]
    assert rows(tmp_path)[0][1:3] == [name, name]
    assert previews(tmp_path) == [[f"<p>{naughty}</p>", f"<p>{naughty}</p>"]]
    assert "<" not in (tmp_path / "previews" / "00000.js").read_text("utf-8")


def test_the_page_needs_nobody_and_runs_nothing_of_a_mail(tmp_path: Path) -> None:
    Outbox(tmp_path).send([mail()])
    write_index(tmp_path, listed(range(1, 2)), shop=SHOP)
    page = (tmp_path / "index.html").read_text("utf-8")
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//|@import|url\(", page)
    assert "default-src 'none'" in page
    assert 'frame.setAttribute("sandbox", "")' in page
    assert "allow-" not in page
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", page)


def test_a_mail_that_counts_as_sent_and_has_no_file_is_an_error(tmp_path: Path) -> None:
    Outbox(tmp_path).send([mail(1)])
    with pytest.raises(LedgerError, match="7d1c-0002"):
        write_index(tmp_path, listed(range(1, 3)), shop=SHOP)
    (tmp_path / "7d1c-0002.eml").write_bytes(b"half of a ma")
    with pytest.raises(LedgerError, match="7d1c-0002"):
        write_index(tmp_path, listed(range(1, 3)), shop=SHOP)


def test_the_page_speaks_the_shops_language(tmp_path: Path) -> None:
    for language, words in (("fr", "Courriels prêts à partir"), ("en", "E-mails ready to leave")):
        write_index(tmp_path, iter(()), shop=load_shop(overrides={"language": language}))
        page = (tmp_path / "index.html").read_text("utf-8")
        assert f'<html lang="{language}">' in page
        assert words in page
