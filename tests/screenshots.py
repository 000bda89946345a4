"""Pictures of the demonstration shop for README: `make demo`, `make up` in another window, then `make screenshots`.

Airflow's own pages are asked of the one that `make up` runs; Habitué's are served as it serves them, at eleven in the
morning of the day that the demonstration plays, when people may be rung. The people in them are made up.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, time
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import text

from chromium import Frame, Tab, in_a_browser
from habitue.demonstration import DEMO_DAY, LATER_DAY, site
from habitue.house import House
from ops_site import browsed

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "screenshots"
MOST = 200_000
"""Bytes of one: README is read on telephones too."""
SIZE = (1280, 860)
RUN = quote(f"quarterly_letter:{DEMO_DAY}")
GOOD = """
select c.customer_id from customer c join segment s using (customer_id)
where s.segment = 'regular_heavy' and c.email is not null and c.phone is not null and c.language = 'fr'
order by s.lifetime_cents desc limit 1
"""
Play = Callable[[Tab], Awaitable[None]]


async def keep(tab: Tab, name: str) -> None:
    await tab.ask("new Promise(done => requestAnimationFrame(() => setTimeout(done, 1000)))")  # all is painted
    file = await tab.picture(name, whole=False, folder=FOLDER)
    assert file.stat().st_size < MOST, f"{file.name} has {file.stat().st_size} bytes"
    print(f"{file.name}: {file.stat().st_size // 1000} kB")


def of_airflow(out: Path, address: str = "http://127.0.0.1:8080") -> Play:
    """The home page in Airflow's frame, and the question that waits for a person."""
    password = json.loads((out / "airflow" / "passwords.json").read_text())["admin"]

    async def play(tab: Tab) -> None:
        await tab.wide(*SIZE)
        await tab.tell("Emulation.setScrollbarsHidden", hidden=True)
        await tab.tell("Page.navigate", url=address)
        await tab.until("!!document.querySelector('input[name=username]')")
        await tab.type("input[name=username]", "admin")
        await tab.type("input[name=password]", password)
        await tab.key("Enter")
        await tab.until("!!document.querySelector('a[href$=\"/plugin/habitue\"]')")
        await tab.press('a[href$="/plugin/habitue"]')
        await Frame(tab).until("!!document.querySelector('main h2')")
        await keep(tab, "home")
        question = "a[href$='/required_actions'][href*='/tasks/']"
        await tab.tell("Page.navigate", url=f"{address}/required_actions")
        await tab.until(f"!!document.querySelector({question!r})")
        await tab.press(question)
        await tab.until("!!document.querySelector('[data-testid=\"hitl-option-Approve\"]:not([disabled])')")
        await keep(tab, "approve")

    return play


def of_habitue(address: str, customer: str) -> Play:
    async def play(tab: Tab) -> None:
        await tab.tell("Network.setExtraHTTPHeaders", headers={"accept-language": "en"})
        await tab.tell("Emulation.setScrollbarsHidden", hidden=True)
        for name, path in (
            ("campaigns", "/campaigns/calendar"),
            ("run", f"/runs/{RUN}"),
            ("figures", "/figures/movement"),
            ("customer", f"/customers/{customer}"),
        ):
            await tab.wide(*SIZE)
            await tab.open(address + path)
            await keep(tab, name)
        await tab.open(f"{address}/campaigns/preview?template=letters/quarterly/regular_heavy")
        await tab.until("[...document.images].every(i => i.complete)")
        await tab.ask("document.querySelector('.pair').scrollIntoView()")
        await keep(tab, "letter")
        await tab.open(f"{address}/desk/")
        await tab.submit(".huge")  # the next customer
        await tab.submit(".huge")  # dialled
        await tab.ask("scrollTo(0, 0)")
        await keep(tab, "desk")
        await tab.key("1", alt=True)  # nobody answers
        await tab.until("!!document.querySelector('.ended')")
        await tab.wide(390, 844)
        await tab.open(f"{address}/home/?language=fr")
        await keep(tab, "telephone")

    return play


def main(out: Path) -> None:
    with site(source=None, data=None, out=out) as place:
        house = House.of({**os.environ, **place.environment, "HABITUE_TODAY": LATER_DAY.isoformat()})
        with house.engine.connect() as connection:
            customer = str(connection.scalar(text(GOOD)))
        at = datetime.combine(LATER_DAY, time(11), house.shop.tz)
        with browsed(house, at) as address:
            in_a_browser(of_habitue(address, customer), width=SIZE[0])
        house.engine.dispose()
    in_a_browser(of_airflow(place.out), width=SIZE[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
