"""A real headless Chromium, driven by its own DevTools protocol over a WebSocket: no package of its own is needed."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

PATIENCE = 60
"""Seconds after which what a page should have come to counts as not coming; a busy machine is slow."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "chromium is not installed (Debian: apt-get install chromium)"
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-extensions"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    *("--remote-debugging-port=0", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "about:blank"),
)
KEYS = {"Enter": 13, "Tab": 9}
AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
AXE_TAGS = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']"
AXE_ASKED = f"{{resultTypes: ['violations'], runOnly: {AXE_TAGS}}}"
AXE_FOUND = "r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.target.join(' ')).slice(0, 3).join(' | '))"
PICTURES = Path(os.environ.get("SCREENSHOTS") or Path(__file__).resolve().parents[1] / "var" / "screenshots")
"""Where tests leave pictures of what they saw."""
T = TypeVar("T")


class Refused(AssertionError):
    """What Chromium would not do."""


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
            said = await self._socket.receive_json(timeout=2 * PATIENCE)
            if said.get("id") == number:
                if "error" in said:
                    raise Refused(said)
                return dict(said["result"])
            self.events.append(said)

    async def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True, **await self.where()}
        return (await self.tell("Runtime.evaluate", **asked))["result"].get("value")

    async def where(self) -> dict[str, Any]:
        """In which world of the tab that is asked."""
        return {}

    async def until(self, expression: str, patience: float = PATIENCE) -> None:
        """Asks until it is so, also while one page goes and the next comes."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            with suppress(Refused):
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
        left, top = await self.corner()
        x, y = x + left, y + top
        for kind in ("mousePressed", "mouseReleased"):
            await self.tell("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def corner(self) -> tuple[float, float]:
        """Where this page begins in the window."""
        return 0, 0

    async def key(self, name: str, *, alt: bool = False) -> None:
        """One key: Tab, Enter, a letter or a digit."""
        known = {"key": name, "windowsVirtualKeyCode": KEYS.get(name) or ord(name.upper()), "modifiers": int(alt)}
        code = name if name in KEYS else f"Digit{name}" if name.isdigit() else f"Key{name.upper()}"
        more = {"text": "\r"} if name == "Enter" else {"unmodifiedText": name} if alt else {}
        await self.tell("Input.dispatchKeyEvent", type="keyDown", code=code, **known, **more)
        await self.tell("Input.dispatchKeyEvent", type="keyUp", code=code, **known)

    async def tab_to(self, selector: str) -> None:
        """Tab after tab until the focus is there, as who uses no mouse goes."""
        for _ in range(120):
            if await self.ask(f"!!document.activeElement?.matches({selector!r})"):
                return
            await self.key("Tab")
        raise AssertionError(f"no tab leads to {selector}")

    async def type(self, selector: str, text: str) -> None:
        await self.ask(f"document.querySelector({selector!r}).focus()")
        await self.tell("Input.insertText", text=text)

    async def wide(self, width: int, height: int = 800) -> None:
        """Makes the window that wide; below 500 it is a telephone."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        await self.tell("Emulation.setDeviceMetricsOverride", **size)

    async def faults(self, *, colours: bool = True) -> list[str]:
        """What axe finds of WCAG 2.2, levels A and AA, and of good practice; to look at colours takes most of its
        time."""
        await self.ask(AXE + "; true")
        asked = f"{{...{AXE_ASKED}, rules: {{'color-contrast': {{enabled: {str(colours).lower()}}}}}}}"
        return list(await self.ask(f"axe.run(document, {asked}).then({AXE_FOUND})"))

    async def picture(self, name: str, *, whole: bool = True, folder: Path = PICTURES) -> Path:
        """Keeps how the page looks, all of it or what the window shows."""
        folder.mkdir(parents=True, exist_ok=True)
        shot = await self.tell("Page.captureScreenshot", captureBeyondViewport=whole, format="png")
        (folder / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
        return folder / f"{name}.png"

    async def submit(self, selector: str) -> None:
        """Presses a button and waits for the page that comes of it."""
        await self.ask("window.before = true")
        await self.press(selector)
        await self.until("window.before === undefined && document.readyState === 'complete'")

    async def text(self) -> str:
        return str(await self.ask("document.body.innerText"))


class Frame(Tab):
    """The page in a tab's first frame, asked and pressed as if it were alone."""

    def __init__(self, around: Tab) -> None:
        self._socket, self._numbers, self.events = around._socket, around._numbers, around.events
        self.around = around

    async def where(self) -> dict[str, Any]:
        tree = (await self.tell("Page.getFrameTree"))["frameTree"]
        if not tree.get("childFrames"):
            raise Refused("there is no frame")
        frame = tree["childFrames"][0]["frame"]["id"]
        world = await self.tell("Page.createIsolatedWorld", frameId=frame, worldName="tests")
        return {"contextId": world["executionContextId"]}

    async def corner(self) -> tuple[float, float]:
        x, y = await self.around.ask(
            "(() => { const r = document.querySelector('iframe').getBoundingClientRect(); return [r.x, r.y] })()"
        )
        return x, y


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
                await made.wide(width)
                return await play(made)

    with _started() as address:
        return asyncio.run(run(address))
