"""Agents at the call desk, as many at once as one likes: what their browsers ask of a real server, over loopback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlencode, urlsplit

HEADERS = {"sec-fetch-site": "same-origin", "accept-language": "fr"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
ENDINGS = ("no_answer", "will_visit", "voicemail_left", "reached_courtesy", "do_not_call", "offer_accepted", "busy")


@dataclass
class Browser:
    """One agent's: one kept connection, one page after the other."""

    address: str
    name: str
    calls: int
    pause: float = 0.0
    """seconds before each click"""
    seconds: dict[str, list[float]] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)
    ended: dict[str, str] = field(default_factory=dict)
    """by attempt, how the server was told that it ended"""

    def __post_init__(self) -> None:
        self._connection = HTTPConnection(urlsplit(self.address).netloc, timeout=60)

    def close(self) -> None:
        self._connection.close()

    def ask(self, what: str, method: str, path: str, **fields: str) -> tuple[HTTPResponse, str]:
        headers = {**HEADERS, "x-who": self.name, **(FORM if method == "POST" else {})}
        time.sleep(self.pause)
        began = time.perf_counter()
        self._connection.request(method, f"/habitue{path}", urlencode(fields) if fields else None, headers)
        answer = self._connection.getresponse()
        page = answer.read().decode()
        self.seconds.setdefault(what, []).append(time.perf_counter() - began)
        return answer, page

    def work(self) -> None:
        for number in range(self.calls):
            answer, page = self.ask("next", "POST", "/desk/next")
            if answer.status != 303:
                assert answer.status == 200, page
                return
            card = (answer.getheader("location") or "").removeprefix("/habitue")
            self.given.append(card.rpartition("/")[2])
            self._opened("card", card)
            answer, page = self.ask("dial", "POST", f"{card}/dial")
            assert answer.status == 303, page
            page = self._opened("card", card)
            found = re.search(r'name="attempt" value="(\d+)"', page)
            assert found, page
            for step, said in (("opening", "good_moment"), ("question", "reason_price")):
                answer, page = self.ask("talk", "POST", f"{card}/talk", step=step, answer=said)
                assert answer.status == 200, page
            ending = ENDINGS[(number + len(self.name)) % len(ENDINGS)]
            answer, page = self.ask("end", "POST", f"{card}/end", attempt=found[1], disposition=ending, reason="price")
            assert answer.status == 200, page
            self.ended[found[1]] = ending

    def _opened(self, what: str, path: str) -> str:
        answer, page = self.ask(what, "GET", path)
        assert answer.status == 200, page
        return page


@contextmanager
def desk_served(url: str, out: Path) -> Iterator[str]:
    """The pages in a process of their own; their address."""
    settings = {**os.environ, "DESK_URL": url, "DESK_OUT": str(out)}
    with subprocess.Popen(
        [sys.executable, __file__, "serve"], env=settings, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def worked(address: str, agents: int, calls: int, *, pause: float = 0.0) -> list[Browser]:
    """So many agents at once, so many calls each; what befell each."""
    browsers = [Browser(address, f"agent{number:02}", calls, pause) for number in range(agents)]
    failed: list[BaseException] = []

    def work(browser: Browser) -> None:
        try:
            browser.work()
        except BaseException as error:
            failed.append(error)
        finally:
            browser.close()

    threads = [threading.Thread(target=work, args=(one,)) for one in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return browsers


def given_twice(browsers: list[Browser]) -> list[str]:
    """Lines that more than one agent had, or one had again."""
    return [line for line, times in Counter(line for one in browsers for line in one.given).items() if times > 1]


def percentile(browsers: list[Browser], share: float, what: str | None = None) -> float:
    """How long that share of the pages took at most, in milliseconds."""
    taken = sorted(s for one in browsers for name, many in one.seconds.items() if what in (None, name) for s in many)
    return 1000 * taken[min(len(taken) - 1, int(share * len(taken)))]


def _serve() -> None:
    from sqlalchemy import create_engine

    from desk_site import house_of
    from habitue.web.serving import server
    from ops_site import app
    from people import AT

    house = house_of(create_engine(os.environ["DESK_URL"]), os.environ["DESK_OUT"])
    made = server(app(house, AT), host="127.0.0.1", port=0)

    def tell() -> None:
        while not made.started:
            time.sleep(0.01)
        print(f"http://127.0.0.1:{made.servers[0].sockets[0].getsockname()[1]}", flush=True)

    threading.Thread(target=tell, daemon=True).start()
    made.run()


if __name__ == "__main__" and sys.argv[1:] == ["serve"]:
    _serve()
