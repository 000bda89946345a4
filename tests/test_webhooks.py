"""The ear of the public app, on a real server: only what is signed is kept, and nothing that comes does harm."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from time import monotonic
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import pytest
from sqlalchemy import Engine, select, text

from habitue import events
from habitue.errors import SettingError
from habitue.house import House
from habitue.limits import Breaker
from habitue.tables import suppression, webhook_post
from habitue.web import webhooks
from habitue.web.webhooks import SIGNATURE, TIMESTAMP, Seal, public_keys
from people import AT, KEY
from sendgrid_posts import PATH, Account, Post, body, event, house, listening, posted

POSTS = int(os.environ.get("RANDOM_POSTS", "1000"))
"""Random bodies; RANDOM_POSTS=10000 tries more."""
SENDGRID = Account()
STRANGER = Account()


def now() -> datetime:
    return AT


@pytest.fixture
def home(base: Engine, tmp_path: Path) -> Iterator[House]:
    found = house(base.url, tmp_path, SENDGRID.public_key)
    yield found
    found.engine.dispose()


@pytest.fixture
def url(home: House) -> Iterator[str]:
    with listening(home, now) as found:
        yield found


def signed(raw: bytes, account: Account = SENDGRID, at: datetime = AT) -> Post:
    return raw, account.headers(raw, at)


def some(number: int = 1) -> list[Post]:
    return [signed(body([event("delivered", uuid4(), f"c{place}@example.fr", AT)])) for place in range(number)]


def kept(engine: Engine) -> list[bytes]:
    with engine.connect() as connection:
        return list(connection.scalars(select(webhook_post.c.body).order_by(webhook_post.c.post_id)))


def answer(url: str, raw: bytes, headers: dict[str, str]) -> int:
    ((status, _),) = posted(url, [(raw, headers)]).items()
    return status


# The signature


def test_sendgrids_published_vector_holds_with_its_line_end_only() -> None:
    """The test of SendGrid's own helper: a key, a signature, and one dropped event with a line end behind it."""
    (key,) = public_keys(
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8"
        "eNEc6wEA3F+g=="
    )
    signature = base64.b64decode(
        "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
    )
    told = {
        "email": "hello@world.com",
        "event": "dropped",
        "reason": "Bounced Address",
        "sg_event_id": "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
        "sg_message_id": "LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
        "smtp-id": "<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>",
        "timestamp": 1600112492,
    }
    raw = json.dumps([told], sort_keys=True, separators=(",", ":")).encode()
    seal = Seal(signature, b"1600112502")
    assert seal.holds(raw + b"\r\n", [key])
    assert not seal.holds(raw, [key])
    assert not Seal(signature, b"1600112503").holds(raw + b"\r\n", [key])


def test_a_signed_post_is_kept_as_it_came_whatever_it_says(base: Engine, url: str) -> None:
    raws = [body([event("delivered", uuid4(), "anna@example.fr", AT)]), b"not JSON at all \xff", b""]
    assert [answer(url, *signed(raw)) for raw in raws] == [204, 204, 204]
    assert kept(base) == raws
    done = events.apply(base, key=KEY, rules=Breaker(), at=AT)
    assert (done.posts, done.unreadable, done.apart) == (3, 2, 1)


def without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {one: value for one, value in headers.items() if one != name}


def test_what_is_not_signed_is_turned_away_in_one_way(base: Engine, url: str) -> None:
    ((raw, good),) = some()
    wrong = [
        {},
        without(good, SIGNATURE),
        without(good, TIMESTAMP),
        STRANGER.headers(raw, AT),
        SENDGRID.headers(raw + b" ", AT),
        SENDGRID.headers(raw, AT - timedelta(days=3)),
        SENDGRID.headers(raw, AT + timedelta(days=3)),
        good | {TIMESTAMP: str(int(AT.timestamp()) + 1)},
        *(good | {SIGNATURE: one} for one in ("", "!", "AAAA", "é", good[SIGNATURE][:-4], "A" * 5000, "MEUCIGHQ")),
        *(good | {TIMESTAMP: one} for one in ("", "now", "-1", "1e9", "9" * 12, "9" * 40, "１６００１１２５０２")),
    ]
    encodable = [{name: value.encode("utf-8").decode("latin-1") for name, value in one.items()} for one in wrong]
    assert Counter(answer(url, raw, headers) for headers in encodable) == {403: len(wrong)}
    assert kept(base) == []
    assert answer(url, raw, good) == 204


def test_a_post_that_was_signed_a_day_ago_is_still_taken(base: Engine, url: str) -> None:
    raw = some()[0][0]
    assert answer(url, *signed(raw, at=AT - timedelta(hours=25))) == 204


def test_keys_are_changed_without_losing_a_post(base: Engine, home: House) -> None:
    old, new = Account(), Account()
    raw = some()[0][0]
    for keys, answers in ((old.public_key, [204, 403]), (f"{old.public_key}\n{new.public_key}", [204, 204])):
        with listening(replace(home, webhook_keys=keys), now) as url:
            assert [answer(url, *signed(raw, one)) for one in (old, new)] == answers


def test_without_a_key_it_is_shut_and_says_so_once(base: Engine, home: House, caplog: pytest.LogCaptureFixture) -> None:
    with listening(replace(home, webhook_keys=None), now) as url:
        assert posted(url, some(3)) == {403: 3}
    assert [one.message.split(":")[0] for one in caplog.records] == ["SendGrid's events are refused"]
    assert kept(base) == []


@pytest.mark.parametrize("setting", ["x", "AAAA", "-----BEGIN PUBLIC KEY-----", f"{SENDGRID.public_key} x"])
def test_a_key_that_is_none_is_said_at_once_and_not_shown(setting: str) -> None:
    with pytest.raises(SettingError, match=r"HABITUE_SENDGRID_WEBHOOK_KEY: key \d is no public key") as found:
        public_keys(setting)
    assert SENDGRID.public_key not in str(found.value)


def test_the_keys_stand_in_the_environment_or_in_a_file(base: Engine, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{SENDGRID.public_key}\n{STRANGER.public_key}\n")
    address = base.url.render_as_string(hide_password=False)
    home = House.of({"HABITUE_DATABASE_URL": address, "HABITUE_SENDGRID_WEBHOOK_KEY_FILE": str(file)})
    assert len(public_keys(home.webhook_keys or "")) == 2


# From the post to the address that is not used any more


def test_an_unsubscribe_is_obeyed_soon_after_it_was_posted(base: Engine, home: House, url: str) -> None:
    stop = Signal()
    worker = Thread(target=events.applier, args=(home, now, stop))
    worker.start()
    try:
        assert answer(url, *signed(body([event("unsubscribe", None, "anna@example.fr", AT)]))) == 204
        until = monotonic() + 60
        reasons: list[str] = []
        while not reasons and monotonic() < until:
            with base.connect() as connection:
                reasons = list(connection.scalars(select(suppression.c.reason)))
    finally:
        stop.set()
        worker.join(10)
    assert reasons == ["unsubscribed"]


# Harm


def conversation(url: str, *parts: bytes, wait: float = 10) -> bytes:
    """What the server says to these bytes, until it hangs up; as far as the connection lets us hear it."""
    where = urlsplit(url)
    heard = b""
    with closing(socket.create_connection((where.hostname, where.port), timeout=wait)) as sock:
        try:
            for part in parts:
                sock.sendall(part)
            while more := sock.recv(65536):
                heard += more
        except OSError:
            pass
    return heard


def head(headers: dict[str, str], *more: str) -> bytes:
    lines = [f"POST {PATH} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers.items()), *more]
    return "\r\n".join([*lines, "", ""]).encode()


def memory() -> int:
    return psutil.Process().memory_info().rss


@pytest.mark.parametrize("chunked", [False, True])
def test_a_hundred_megabytes_are_cut_off_early(base: Engine, url: str, chunked: bool) -> None:
    megabyte = b"x" * 1_000_000
    headers = SENDGRID.headers(megabyte * 100, AT)
    sent = 0
    where, before = urlsplit(url), memory()
    with closing(socket.create_connection((where.hostname, where.port), timeout=30)) as sock:
        how = "Transfer-Encoding: chunked" if chunked else "Content-Length: 100000000"
        sock.sendall(head(headers, how))
        try:
            for _ in range(100):
                sock.sendall(b"%x\r\n%b\r\n" % (len(megabyte), megabyte) if chunked else megabyte)
                sent += 1
        except OSError:
            pass
    assert sent < 30
    assert memory() - before < 50_000_000
    assert kept(base) == []
    assert posted(url, some()) == {204: 1}


def test_who_says_that_it_will_be_long_is_not_even_listened_to(url: str) -> None:
    raw, headers = some()[0]
    for length in ("100000000", "2000001", "9" * 15):
        assert conversation(url, head(headers, f"Content-Length: {length}")).startswith(b"HTTP/1.1 413")
    assert conversation(url, head({}, "Content-Length: 100000000")).startswith(b"HTTP/1.1 403")
    assert conversation(url, head(headers, f"Content-Length: {len(raw)}", "Connection: close"), raw).startswith(
        b"HTTP/1.1 204"
    )


def test_a_slow_client_is_hung_up_on(base: Engine, home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "SLOWEST", 0.3)
    raw, headers = some()[0]
    with listening(home, now) as url:
        heard = conversation(url, head(headers, f"Content-Length: {len(raw)}"), raw[:10])
        assert heard.startswith(b"HTTP/1.1 408")
        assert posted(url, some()) == {204: 1}
    assert len(kept(base)) == 1


def test_who_leaves_in_the_middle_leaves_nothing(base: Engine, url: str) -> None:
    raw, headers = some()[0]
    where = urlsplit(url)
    for _ in range(20):
        with closing(socket.create_connection((where.hostname, where.port))) as sock:
            sock.sendall(head(headers, f"Content-Length: {len(raw)}") + raw[:20])
    assert posted(url, some()) == {204: 1}
    assert len(kept(base)) == 1


def test_a_flood_is_kept_or_put_off_and_nothing_is_lost(
    base: Engine, home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MOST_HELD", 300_000)
    posts = [signed(body([event("delivered", uuid4(), "x" * 20_000 + "@example.fr", AT)])) for _ in range(300)]
    with listening(home, now) as url:
        found = posted(url, posts, connections=60)
        assert found.keys() <= {204, 503, 0}
        assert found[503] + found[0] > 0
        assert set(kept(base)) <= {raw for raw, _ in posts}
        assert len(kept(base)) >= found[204]
        for _ in range(50):  # SendGrid comes again with what was not taken
            held = set(kept(base))
            if not (waiting := [one for one in posts if one[0] not in held]):
                break
            posted(url, waiting, connections=4)
        assert posted(url, some()) == {204: 1}
    assert {hashlib.sha256(one).digest() for one in kept(base)} >= {hashlib.sha256(raw).digest() for raw, _ in posts}


def test_a_base_that_is_away_puts_off_and_shows_nothing(
    base: Engine, home: House, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with base.begin() as connection:
        connection.execute(text("alter table webhook_post rename to elsewhere"))
    try:
        raw, headers = signed(body([event("unsubscribe", None, "anna@example.fr", AT)]))
        heard = conversation(url, head(headers, f"Content-Length: {len(raw)}", "Connection: close"), raw)
    finally:
        with base.begin() as connection:
            connection.execute(text("alter table elsewhere rename to webhook_post"))
    assert heard.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 30" in heard.lower()
    assert b"anna" not in heard
    assert "could not be written down" in caplog.text
    assert "anna" not in caplog.text


def test_random_bodies_and_headers_are_turned_away_without_an_error(base: Engine, url: str) -> None:
    draw = random.Random(7)
    names = [SIGNATURE, TIMESTAMP, "content-type", "content-encoding", "x-forwarded-for", "expect", "cookie"]
    posts = []
    for _ in range(POSTS):
        raw = draw.randbytes(draw.choice((0, 1, 100, 3000)))
        headers = {
            name: "".join(draw.choice("aZ0=+/ :,;{}\"'%é~") for _ in range(draw.choice((1, 20, 300)))).strip() or "x"
            for name in draw.sample(names, draw.randint(0, len(names)))
        }
        if draw.random() < 0.3:
            headers |= STRANGER.headers(raw, AT)
        posts.append((raw, headers))
    posted(url, posts[:100])
    before = memory()
    found = posted(url, posts, connections=32)
    assert found.keys() <= {403, 400, 417, 0}
    assert found[403] > 0.9 * POSTS
    assert memory() - before < 30_000_000
    assert kept(base) == []
    assert posted(url, some()) == {204: 1}


def test_bytes_that_are_no_request_do_no_harm(base: Engine, url: str) -> None:
    draw = random.Random(8)

    def one(number: int) -> None:
        start = f"POST {PATH} HTTP/1.1\r\n".encode() if number % 2 else b""
        heard = conversation(url, start + draw.randbytes(200) + b"\r\n\r\n", wait=0.2)
        assert not heard.startswith(b"HTTP/1.1 5")

    for number in range(40):
        one(number)
    assert posted(url, some()) == {204: 1}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_only_posts_are_taken(url: str, method: str) -> None:
    asked = f"{method} {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    assert conversation(url, asked).startswith(b"HTTP/1.1 405")


def test_many_posts_at_once_are_each_kept_once(base: Engine, url: str) -> None:
    posts = some(500)
    assert posted(url, posts, connections=50) == {204: 500}
    assert sorted(kept(base)) == sorted(raw for raw, _ in posts)
