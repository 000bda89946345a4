"""A flood, a slow client, a huge body and random rubbish do the public pages no harm: against a real uvicorn.

RUBBISH=10000 sends that many random requests; by default it is fewer, so that the tests stay short.
"""

from __future__ import annotations

import http.client
import os
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psutil
import pytest
from sqlalchemy import Engine

from habitue.web import serving
from habitue.web.door import SAFE, Allowance
from people import ANNA
from public_site import Site, end, served, site, wishes

RUBBISH = int(os.environ.get("RUBBISH", "1500"))
MEGABYTE = 1024 * 1024
FORM = "application/x-www-form-urlencoded"
OPEN = Allowance(a_second=1_000_000, at_once=1_000_000)


@pytest.fixture
def pages(base: Engine) -> Iterator[Site]:
    with site(base, allowances={"": OPEN}) as made:
        yield made


def ask(address: str, method: str, path: str, body: bytes | str | None = None, *, source: str = "127.0.0.1") -> int:
    host = address.removeprefix("http://")
    client = http.client.HTTPConnection(host, timeout=30, source_address=(source, 0))
    try:
        client.request(method, path, body, {"content-type": FORM} if body else {})
        answer = client.getresponse()
        answer.read()
        return answer.status
    finally:
        client.close()


def connected(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def head(path: str, *lines: str) -> bytes:
    return "\r\n".join((f"POST {path} HTTP/1.1", "host: x", f"content-type: {FORM}", *lines, "", "")).encode()


@pytest.mark.parametrize("told", [True, False])
def test_a_body_of_100_megabytes_is_cut_off_early(pages: Site, told: bool) -> None:
    before, size = pages.kept(), 100 * MEGABYTE
    with served(pages.app) as address, connected(address) as wire:
        wire.sendall(head(end(), f"content-length: {size}" if told else "transfer-encoding: chunked"))
        sent = 0
        try:
            while sent < size:
                part = b"x" * 65_536
                wire.sendall(part if told else b"10000\r\n" + part + b"\r\n")
                sent += len(part)
        except OSError:
            pass
        try:
            answer = wire.recv(200)
        except OSError:  # closed on what was still under way
            answer = b"HTTP/1.1 413"
        assert answer.startswith(b"HTTP/1.1 413")
        assert sent < 20 * MEGABYTE  # what fits into the buffers of two sockets, and no more
        assert ask(address, "GET", end()) == 200
    assert pages.kept() == before


def test_the_refusal_of_a_long_body_can_be_read(pages: Site) -> None:
    with served(pages.app) as address, connected(address) as wire:
        wire.sendall(head(end(), f"content-length: {100 * MEGABYTE}"))
        answer = b"".join(iter(lambda: wire.recv(65_536), b""))  # until the server closes
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer
    assert "trop longue" in answer.decode()


def test_a_client_who_sends_his_body_drop_by_drop_is_sent_away_and_others_are_served(base: Engine) -> None:
    with site(base, allowances={"": replace(OPEN, seconds=0.7)}) as pages, served(pages.app) as address:
        slow = [connected(address) for _ in range(50)]
        for wire in slow:
            wire.sendall(head(end(), "content-length: 60000") + b"List-Unsubscribe=")
        began = time.monotonic()
        assert ask(address, "POST", end(), "List-Unsubscribe=One-Click") == 200
        for wire in slow:
            wire.sendall(b"O")
        assert [wire.recv(12) for wire in slow] == [b"HTTP/1.1 408"] * 50
        assert time.monotonic() - began < 15
        for wire in slow:
            wire.close()
        assert len(pages.rows("consent", customer_id=ANNA, direct=True)) == 1


def test_a_client_who_never_ends_the_head_of_his_request_is_cut_off(
    pages: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.7)
    with served(pages.app) as address:
        silent, dripping, again = (connected(address) for _ in range(3))
        dripping.sendall(b"GET / HT")
        again.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert again.recv(12) == b"HTTP/1.1 200"
        again.sendall(b"GET /healthz HT")  # its second request
        began = time.monotonic()
        for wire in (silent, dripping, again):
            while wire.recv(65_536):
                pass
            wire.close()
        assert time.monotonic() - began < 10
        assert ask(address, "GET", "/healthz") == 200


def test_a_flood_from_one_address_is_turned_away_and_another_is_served(base: Engine) -> None:
    with site(base, allowances={"": Allowance(a_second=1, at_once=40)}) as pages, served(pages.app) as address:

        def flood(number: int) -> int:
            return ask(address, "POST", f"/u/{number:043}", "List-Unsubscribe=One-Click")

        began = time.monotonic()
        with ThreadPoolExecutor(20) as crowd:
            answered = Counter(crowd.map(flood, range(800)))
            assert ask(address, "POST", end(), "List-Unsubscribe=One-Click", source="127.0.0.2") == 200
        took = time.monotonic() - began
        assert set(answered) == {200, 429}
        assert 40 <= answered[200] <= 41 + took
        assert len(pages.rows("consent", customer_id=ANNA, direct=True)) == 1


def test_what_is_no_http_is_answered_with_the_same_headers_and_no_word(pages: Site) -> None:
    with served(pages.app) as address, connected(address) as wire:
        wire.sendall(b"\x16\x03\x01 anna@example.fr\r\n\r\n")
        answer = b"".join(iter(lambda: wire.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.endswith(b"\r\n\r\n")
    assert all(f"{name}: {value}".encode() in answer for name, value in SAFE.items())


def test_random_requests_do_no_harm(pages: Site) -> None:
    draw, before, statuses = random.Random(7), pages.kept(), Counter[str]()
    with served(pages.app) as address:
        host = address.removeprefix("http://")
        this, began = psutil.Process(), 0
        client = http.client.HTTPConnection(host, timeout=30)
        for number in range(RUBBISH):
            if draw.random() < 0.2:
                statuses[_raw(address, draw)] += 1
                continue
            try:
                client.request(
                    draw.choice(("GET", "POST", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "X")),
                    _path(draw),
                    _body(draw),
                    {"content-type": draw.choice(KINDS), "accept-language": draw.choice(("fr", "en;q=x", "é;,"))},
                )
                answer = client.getresponse()
                answer.read()
                statuses[str(answer.status)] += 1
            except (http.client.HTTPException, OSError):
                statuses["cut off"] += 1
                client.close()
            if number == RUBBISH // 3:
                began = this.memory_info().rss
        client.close()
        assert this.memory_info().rss - began < 30 * MEGABYTE
        assert [status for status in statuses if status.startswith("5")] == []
        assert {"200", "400", "404", "405", "415"} <= set(statuses)
        assert ask(address, "GET", "/healthz") == 200
        assert pages.kept() == before
        assert ask(address, "POST", end(), "List-Unsubscribe=One-Click") == 200
    assert len(pages.rows("outcome")) == 1


KINDS = (
    *(FORM, FORM, "multipart/form-data; boundary=b", "multipart/form-data", "multipart/form-data; boundary="),
    *("multipart/form-data; boundary=b; charset=utf-99", "application/json", "text/plain; charset=\x80", ""),
)


def _bytes(draw: random.Random, most: int) -> bytes:
    return draw.randbytes(draw.randint(0, most))


def _path(draw: random.Random) -> str:
    quoted = "".join(f"%{byte:02X}" for byte in _bytes(draw, 60))
    known = (end(), wishes(), end()[:-1] + "!", "/u/", "/p/..%2f..", "/healthz", "/public.css", "/u/%00%ff")
    return draw.choice((*known, *known, f"/u/{quoted}", f"/p/{quoted}?{quoted}", f"/{quoted}", "//", "*"))


def _body(draw: random.Random) -> bytes:
    """Rubbish, and forms that are nearly right; none that is."""
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (_bytes(draw, 9), _bytes(draw, 300))
    nearly = (b"List-Unsubscribe=One-Clic", b"list-unsubscribe=One-Click", b"=&&%=%zz", b"a=1;b", b"List-Unsubscribe")
    return draw.choice((_bytes(draw, 2000), _bytes(draw, 90_000), part, part + b"--b--\r\n", b"--b\r\n", *nearly))


def _raw(address: str, draw: random.Random) -> str:
    """Bytes that need be no HTTP at all; the status of the answer, if there is one."""
    starts = (
        b"",
        b"GET / HTTP/1.1\r\n",
        b"POST /u/x HTTP/1.1\r\ncontent-length: -1\r\n",
        b"\x16\x03\x01",
        b"PRI * HTTP/2",
    )
    with connected(address) as wire:
        try:
            wire.sendall(draw.choice(starts) + _bytes(draw, 3000) + b"\r\n\r\n")
            wire.shutdown(socket.SHUT_WR)
            return wire.recv(12)[9:].decode("latin1") or "cut off"
        except OSError:
            return "cut off"
