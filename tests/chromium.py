"""A real headless Chromium, driven by its own DevTools protocol over a WebSocket: no package of its own is needed."""

from __future__ import annotations

import asyncio
import itertools
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "chromium is not installed (Debian: apt-get install chromium)"
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-extensions"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    *("--remote-debugging-port=0", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "about:blank"),
)
T = TypeVar("T")


class Tab:
    """One page of it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []

    async def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            said = await self._socket.receive_json(timeout=30)
            if said.get("id") == number:
                assert "error" not in said, said
                return dict(said["result"])
            self.events.append(said)

    async def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        return (await self.tell("Runtime.evaluate", expression=expression, returnByValue=True))["result"].get("value")

    async def until(self, expression: str) -> None:
        for _ in range(200):
            if await self.ask(expression):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"the page never came to: {expression}")

    async def open(self, url: str) -> None:
        await self.tell("Page.navigate", url=url)
        await self.until(f"location.href === {url!r} && document.readyState === 'complete'")

    async def press(self, selector: str) -> None:
        """A click of the mouse where the element stands; it must be there to be seen."""
        place = f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center'}}); "
        place += "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()"
        x, y = await self.ask(place)
        for kind in ("mousePressed", "mouseReleased"):
            await self.tell("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def submit(self, selector: str) -> None:
        """Presses a button and waits for the page that comes of it."""
        await self.ask("window.before = true")
        await self.press(selector)
        await self.until("window.before === undefined && document.readyState === 'complete'")

    async def text(self) -> str:
        return str(await self.ask("document.body.innerText"))


@contextmanager
def _started() -> Iterator[str]:
    """The address of its first tab."""
    assert CHROMIUM, MISSING
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [CHROMIUM, f"--user-data-dir={profile}", *ARGUMENTS], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            file, began = Path(profile) / "DevToolsActivePort", time.monotonic()
            while not (file.exists() and re.match(r"\d+\n", file.read_text())):
                assert process.poll() is None, "chromium has ended"
                assert time.monotonic() - began < 60, "chromium did not start"
                time.sleep(0.1)
            yield f"http://127.0.0.1:{file.read_text().splitlines()[0]}"
        finally:
            process.terminate()
            process.wait(20)


def in_a_browser(play: Callable[[Tab], Awaitable[T]], *, dark: bool = False, width: int = 390) -> T:
    """Plays this in a fresh browser, as wide as a telephone unless said otherwise."""

    async def run(address: str) -> T:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{address}/json/list") as listed:
                (tab,) = [one for one in await listed.json() if one["type"] == "page"]
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                made = Tab(socket)
                for domain in ("Page", "Log", "Network"):
                    await made.tell(f"{domain}.enable")
                scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
                await made.tell("Emulation.setEmulatedMedia", features=scheme)
                size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
                await made.tell("Emulation.setDeviceMetricsOverride", **size)
                return await play(made)

    with _started() as address:
        return asyncio.run(run(address))
