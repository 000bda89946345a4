"""The call desk in a real browser: several calls by keyboard, with scripts and without, and nothing that axe finds."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from sqlalchemy import Engine

from chromium import CHROMIUM, MISSING, Tab, in_a_browser
from desk_site import RUN, Desk, call_list
from ops_site import browsed

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
AXE = files("axe_playwright_python").joinpath("axe.min.js")
RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}"
KEYS = {"Enter": 13, "Tab": 9}


@pytest.fixture
def desk(base: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr("habitue.campaigns.Campaign.template_files", lambda self, languages: {"copy": "0"})
    call_list(base)
    made = Desk(base, tmp_path)
    yield made
    made.house.engine.dispose()


async def key(tab: Tab, name: str, *, alt: bool = False) -> None:
    known = {"key": name, "windowsVirtualKeyCode": KEYS.get(name) or ord(name.upper()), "modifiers": int(alt)}
    code = name if name in KEYS else f"Digit{name}" if name.isdigit() else f"Key{name.upper()}"
    more = {"text": "\r"} if name == "Enter" else {"unmodifiedText": name} if alt else {}
    await tab.tell("Input.dispatchKeyEvent", type="keyDown", code=code, **known, **more)
    await tab.tell("Input.dispatchKeyEvent", type="keyUp", code=code, **known)


async def at_once(tab: Tab, name: str, wanted: str, *, alt: bool = False) -> None:
    """A key, and the page that comes of it."""
    await key(tab, name, alt=alt)
    await tab.until(f"document.body && document.readyState === 'complete' && {wanted}")


async def choose(tab: Tab, selector: str) -> None:
    """Presses a button of the form and waits for the part of the page that takes its place."""
    await to(tab, selector)
    await at_once(tab, "Enter", f"!document.querySelector({selector!r})")


async def to(tab: Tab, selector: str) -> None:
    """Tab after tab until the focus is there, as who uses no mouse goes."""
    for _ in range(80):
        if await tab.ask(f"document.activeElement.matches({selector!r})"):
            return
        await key(tab, "Tab")
    raise AssertionError(f"no tab leads to {selector}")


async def nothing_wrong(tab: Tab, where: str) -> None:
    await tab.ask(AXE.read_text("utf-8"))
    said = await tab.tell(
        "Runtime.evaluate",
        expression=f"axe.run(document, {RULES}).then(r => r.violations.map(v => v.id + ': ' + v.nodes[0].html))",
        awaitPromise=True,
        returnByValue=True,
    )
    assert said["result"]["value"] == [], where
    assert await tab.ask("document.documentElement.scrollWidth <= innerWidth"), f"{where} is too wide"
    if folder := os.environ.get("DESK_SCREENSHOTS"):
        shot = await tab.tell("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        (Path(folder) / f"{where}.png").write_bytes(base64.b64decode(shot["data"]))


ON_CARD = r"/desk\/card\/[-0-9a-f]+$/.test(location.pathname)"
AT_ONCE = "() => setTimeout(() => document.querySelector('button[value=reason_price]').click())"
DIALLED = "!!document.querySelector('.number')"


async def work(tab: Tab, address: str, *, scripts: bool) -> None:
    """Three calls: one that nobody answers, one that goes well, one that is refused."""
    await tab.open(f"{address}/desk/")
    await at_once(tab, "n", ON_CARD, alt=True)
    await to(tab, ".huge")  # Dial, which has the focus at first
    await at_once(tab, "Enter", DIALLED)
    await at_once(tab, "1", "!!document.querySelector('.ended')", alt=True)
    assert "No answer" in await tab.text()
    await to(tab, ".huge")  # Next
    await at_once(tab, "Enter", ON_CARD)
    await at_once(tab, "t", DIALLED, alt=True)
    if scripts:  # whoever presses the next key as soon as he sees what it is for stays on the page too
        await tab.ask(f"window.before = true; document.addEventListener('htmx:afterSwap', {AT_ONCE}, {{once: true}})")
    for answer in ("good_moment", "accepts", "rung_off"):
        if answer == "accepts" and not scripts:
            await choose(tab, "button[value=reason_price]")
        await choose(tab, f"button[value={answer}]")
        if scripts:
            await tab.until("document.activeElement.closest('#talk') !== null")
    assert await tab.ask("window.before === true") == scripts
    await to(tab, "textarea[name=notes]")
    await tab.tell("Input.insertText", text="vient samedi")
    await at_once(tab, "a", "!!document.querySelector('.ended')", alt=True)
    assert "Offer accepted" in await tab.text()
    await at_once(tab, "n", ON_CARD, alt=True)
    await to(tab, ".huge")
    await at_once(tab, "Enter", DIALLED)
    for refusal in ("no_calls", "rung_off", "do_not_call"):
        await choose(tab, f"button[value={refusal}]")
    await tab.until("!!document.querySelector('.ended')")
    assert "withdrawn, for good" in await tab.text()


@pytest.mark.parametrize("scripts", [True, False])
def test_anna_works_three_calls_by_keyboard(desk: Desk, scripts: bool) -> None:
    async def play(tab: Tab) -> None:
        await tab.tell("Network.setExtraHTTPHeaders", headers={"accept-language": "en"})
        await tab.tell("Emulation.setScriptExecutionDisabled", value=not scripts)
        await work(tab, address, scripts=scripts)
        said = [one["params"]["entry"] for one in tab.events if one["method"] == "Log.entryAdded"]
        assert [one["text"] for one in said if not one.get("url", "").endswith("/favicon.ico")] == []

    with browsed(desk.house, lambda: desk.at[-1], who="anna") as address:
        in_a_browser(play, width=1200 if scripts else 390)
    kept = [(row["disposition"], row["reason"], row["notes"], row["offer_made"]) for row in desk.rows("call_attempt")]
    assert kept == [
        ("no_answer", None, None, False),
        ("offer_accepted", "price", "vient samedi", True),
        ("do_not_call", None, None, False),
    ]


@pytest.mark.parametrize("width", [390, 1200])
def test_the_pages_of_the_desk_are_usable_by_everybody(desk: Desk, width: int) -> None:
    async def play(tab: Tab) -> None:
        await tab.tell("Network.setExtraHTTPHeaders", headers={"accept-language": "fr"})
        await tab.open(f"{address}/desk/")
        await nothing_wrong(tab, f"home-{width}")
        await tab.submit(".huge")
        await nothing_wrong(tab, f"card-{width}")
        await tab.submit(".huge")
        await nothing_wrong(tab, f"talk-{width}")
        for answer in ("good_moment", "reason_quality", "complains", "rung_off"):
            await choose(tab, f"button[value={answer}]")
        await tab.ask("document.querySelectorAll('details').forEach(d => { d.open = true })")
        await nothing_wrong(tab, f"ending-{width}")
        await to(tab, "button[value=callback_at]")
        await at_once(tab, "Enter", "!!document.querySelector('#wrong')")
        await nothing_wrong(tab, f"wrong-{width}")
        await tab.ask("document.querySelectorAll('details').forEach(d => { d.open = true })")
        await to(tab, "button[value=complaint]")
        await at_once(tab, "Enter", "!!document.querySelector('.ended')")
        await nothing_wrong(tab, f"ended-{width}")
        for name in ("board", f"lists/{RUN.replace(':', '%3A')}", "outcomes", "complaints", "import"):
            await tab.open(f"{address}/desk/{name}")
            await nothing_wrong(tab, f"{name[:5]}-{width}")

    with browsed(desk.house, lambda: desk.at[-1], who="olga") as address:
        in_a_browser(play, width=width)


def test_a_tab_that_is_closed_gives_its_card_back_unless_it_was_dialled(desk: Desk) -> None:
    async def play(tab: Tab) -> None:
        await tab.open(f"{address}/desk/")
        await tab.submit(".huge")
        assert [row["reserved_by"] for row in desk.rows("call_line") if row["reserved_by"]] == ["anna"]
        await tab.tell("Page.navigate", url="about:blank")
        await tab.until("location.href === 'about:blank'")
        for _ in range(100):
            if not any(row["reserved_by"] for row in desk.rows("call_line")):
                break
            await tab.ask("new Promise(done => setTimeout(done, 50))")
        assert not any(row["reserved_by"] for row in desk.rows("call_line"))
        await tab.open(f"{address}/desk/")
        await tab.submit(".huge")
        await tab.submit(".huge")  # dialled
        await tab.tell("Page.navigate", url="about:blank")
        await tab.until("location.href === 'about:blank'")

    with browsed(desk.house, lambda: desk.at[-1], who="anna") as address:
        in_a_browser(play)
    (held,) = [row for row in desk.rows("call_line") if row["reserved_by"]]
    assert held["attempt_id"] is not None
