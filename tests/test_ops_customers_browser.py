"""The pages on customers in a real browser: as WCAG 2.2 AA wants them, on a telephone, by keyboard, without script."""

from __future__ import annotations

import base64
import os
from importlib.resources import files
from pathlib import Path

import pytest

from chromium import CHROMIUM, MISSING, Tab, in_a_browser
from habitue.house import House
from lived_in import lived, person, town
from ops_site import browsed
from test_runs import now

__all__ = ["lived", "town"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)

AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
ASKED = "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
FOUND = ".then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.target.join(' ')).slice(0, 3).join(' | ')))"
SHOTS = os.environ.get("SHOTS")
"""A folder for pictures of the pages, where somebody wants to look at them."""


async def faults(tab: Tab) -> list[str]:
    await tab.tell("Runtime.evaluate", expression=AXE)
    said = await tab.tell("Runtime.evaluate", expression=ASKED + FOUND, awaitPromise=True, returnByValue=True)
    return list(said["result"]["value"])


async def picture(tab: Tab, name: str) -> None:
    if SHOTS:
        shot = await tab.tell("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        Path(SHOTS, f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


async def look_for(tab: Tab, address: str, typed: str) -> None:
    await tab.open(f"{address}/customers/")
    await tab.ask("document.querySelector('#looked_for').focus()")
    await tab.tell("Input.insertText", text=typed)
    await tab.submit(".search button")


def paths(town: House) -> dict[str, str]:
    who = person(town, "letter")["customer_id"]
    snapshot = town.lake.latest()
    assert snapshot is not None
    dataset, rules = next((name, rules) for name, rules in snapshot.manifest["rejects"].items() if rules)
    return {
        "search": "/customers/",
        "customer": f"/customers/{who}",
        "consent": f"/customers/{who}/confirm/consent",
        "withdrawal": f"/customers/{who}/confirm/withdrawal",
        "erase": f"/customers/{who}/confirm/erase",
        "export": f"/customers/{who}/export",
        "problems": "/problems/",
        "problem": f"/problems/quarantine/{dataset}/{next(iter(rules))}",
        "trail": "/audit/",
    }


@pytest.mark.parametrize(("width", "language"), [(390, "fr"), (1280, "en")])
def test_the_pages_keep_to_wcag_and_fit_their_width(town: House, width: int, language: str) -> None:
    async def play(tab: Tab) -> None:
        wrong = {}
        for name, path in paths(town).items():
            await tab.open(f"{address}{path}?language={language}")
            assert await tab.ask("document.documentElement.lang") == language
            assert await tab.ask("document.documentElement.scrollWidth <= innerWidth"), name
            wrong[name] = await faults(tab)
            await picture(tab, f"{name}-{width}")
        await look_for(tab, address, person(town, "letter")["last_name"])
        assert await tab.ask("document.querySelectorAll('#results tbody tr').length > 0")
        wrong["results"] = await faults(tab)
        await picture(tab, f"results-{width}")
        assert {name: found for name, found in wrong.items() if found} == {}

    with browsed(town, now()) as address:
        in_a_browser(play, width=width)


def test_a_complaint_is_opened_by_keyboard_alone(town: House) -> None:
    who = person(town, "letter")["customer_id"]

    async def key(tab: Tab, name: str, code: int, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            await tab.tell("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **more)

    async def to(tab: Tab, selector: str) -> None:
        for _ in range(60):
            await key(tab, "Tab", 9)
            if await tab.ask(f"document.activeElement.matches({selector!r})"):
                assert await tab.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
                return
        raise AssertionError(f"no Tab leads to {selector}")

    async def play(tab: Tab) -> None:
        await tab.open(f"{address}/customers/{who}")
        await to(tab, "a[href$='/confirm/complaint']")
        await key(tab, "Enter", 13, "\r")
        await tab.until("location.pathname.endsWith('/confirm/complaint') && document.readyState === 'complete'")
        await to(tab, "main button")
        await key(tab, "Enter", 13, "\r")
        await tab.until("location.search === '?done=complaint' && document.readyState === 'complete'")
        assert await tab.ask("document.querySelector('.done') !== null")
        assert await tab.ask("document.querySelector('a[href$=\"/confirm/settled\"]') !== null")

    with browsed(town, now()) as address:
        in_a_browser(play)


def test_search_sort_and_filters_work_without_a_script(town: House) -> None:
    async def play(tab: Tab) -> None:
        await tab.tell("Emulation.setScriptExecutionDisabled", value=True)
        await look_for(tab, address, person(town, "letter")["last_name"])
        await tab.until("document.querySelectorAll('#results tbody tr').length > 0")
        await tab.submit("#results th button[value=city]")
        await tab.until("document.querySelector('#results th[aria-sort=ascending]')?.innerText.trim() === 'Town ↑'")

    with browsed(town, now()) as address:
        in_a_browser(play, width=1280)
