"""The public pages in a real browser: Anna presses the button, and the base knows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from chromium import CHROMIUM, MISSING, Tab, in_a_browser
from people import ANNA, BORIS
from public_site import Site, end, served, site, wishes

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)


@pytest.fixture
def pages(base: Engine) -> Iterator[Site]:
    with site(base) as made:
        yield made


async def nothing_was_blocked(tab: Tab) -> None:
    """Neither the policy of the page nor a missing file, and the style is there."""
    said = [one["params"]["entry"]["text"] for one in tab.events if one["method"] == "Log.entryAdded"]
    assert said == []
    assert await tab.ask("getComputedStyle(document.querySelector('main')).borderTopWidth") == "1px"


def test_anna_unsubscribes_with_one_press(pages: Site) -> None:
    async def play(tab: Tab) -> None:
        await tab.open(f"{address}{end()}")
        assert "Ne plus recevoir nos e\u2011mails" in await tab.text()
        assert pages.rows("outcome") == []
        await tab.submit("button")
        assert "ne vous enverra plus" in await tab.text()
        assert await tab.ask("location.pathname") == end()
        await nothing_was_blocked(tab)
        assert (await tab.tell("Network.getCookies"))["cookies"] == []

    with served(pages.app) as address:
        in_a_browser(play)
    (said,) = pages.rows("consent", customer_id=ANNA, direct=True)
    assert (said["channel"], said["status"], said["source"]) == ("email", "withdrawn", "unsubscribe")
    assert [row["reason"] for row in pages.rows("suppression")] == ["unsubscribed"]
    assert [row["kind"] for row in pages.rows("outcome")] == ["unsubscribed"]


def test_boris_comes_by_way_of_the_unsubscribe_page_and_chooses(pages: Site) -> None:
    async def play(tab: Tab) -> None:
        await tab.open(f"{address}{end(BORIS)}")
        await tab.submit("a[href*='/p/']")
        assert await tab.ask("location.pathname") == wishes(BORIS)
        ways = "['letter', 'email', 'call', 'fewer'].map(n => document.querySelector(`[name=${n}]`).checked).join()"
        assert await tab.ask(ways) == "true,true,true,false"
        await tab.press("[name=call]")
        await tab.press("[name=fewer]")
        await tab.press("[name=language][value=en]")
        await tab.submit("[name=save]")
        assert "Your choices are saved." in await tab.text()
        assert await tab.ask(ways) == "true,true,false,true"
        assert await tab.ask("document.documentElement.lang") == "en"
        await tab.submit("[name=none]")
        assert await tab.ask(ways) == "false,false,false,true"
        await nothing_was_blocked(tab)

    with served(pages.app) as address:
        in_a_browser(play, dark=True)
    said = [(row["channel"], row["status"]) for row in pages.rows("consent", customer_id=BORIS, direct=True)]
    assert said == [("call", "withdrawn"), ("email", "withdrawn"), ("letter", "withdrawn")]
    assert [(row["language"], row["fewer"]) for row in pages.rows("preference")] == [("en", True)]


@pytest.mark.parametrize("dark", [False, True])
def test_the_pages_can_be_read_used_by_keyboard_and_fit_a_telephone(pages: Site, dark: bool) -> None:
    async def play(tab: Tab) -> None:
        for path in (end(), wishes(BORIS), "/nowhere"):
            await tab.open(f"{address}{path}")
            assert await tab.ask("document.documentElement.scrollWidth <= innerWidth")
            assert await tab.ask("document.querySelectorAll('h1').length") == 1
            unnamed = "[...document.querySelectorAll('input')].filter(e => !e.labels.length).length"
            assert await tab.ask(unnamed) == 0
            assert await tab.ask(CONTRASTS) == []
            small = "[...document.querySelectorAll('button')].filter(e => e.getBoundingClientRect().height < 44).length"
            assert await tab.ask(small) == 0
        await tab.open(f"{address}{end()}")
        for kind in ("keyDown", "keyUp"):
            await tab.tell("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        assert await tab.ask("document.activeElement.tagName") == "BUTTON"
        assert await tab.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"

    with served(pages.app) as address:
        in_a_browser(play, dark=dark, width=360)


# The text of each element against the nearest ground below it, as the browser paints them: those below 4.5 to 1.
CONTRASTS = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data] };
  const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map(p => p / 255).map(
    p => p <= 0.04045 ? p / 12.92 : ((p + 0.055) / 1.055) ** 2.4); return 0.2126 * x + 0.7152 * y + 0.0722 * z };
  const ground = e => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor);
    if (c[3] === 255) return c } return [255, 255, 255] };
  const poor = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => x - y);
    const ratio = (b + 0.05) / (a + 0.05);
    if (ratio < 4.5) poor.push(`${e.tagName} ${ratio.toFixed(2)}`);
  }
  return poor;
})()
"""
