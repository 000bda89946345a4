"""Through the running Airflow in a real browser: somebody logs in and approves a run, and it goes on; an agent works
ten calls by keyboard; a customer is looked for, and a letter looked at. It leaves pictures: see chromium.PICTURES."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date

import pytest
from sqlalchemy import insert, text

from airflow_live import ON, Live, until
from chromium import CHROMIUM, MISSING, Frame, Tab, in_a_browser
from habitue import clock
from habitue.shop import load_shop
from habitue.tables import consent
from people import SPRING, event

pytestmark = [pytest.mark.alone, pytest.mark.skipif(CHROMIUM is None, reason=MISSING)]

RUN = f"winback_calls:{ON}"
SLOW = 240
"""Seconds for a page of Airflow's on a busy machine."""
CARD = "/\\/desk\\/card\\/[-0-9a-f]+$/.test(location.pathname)"
DIALLED = "!!document.querySelector('.number')"
ENDED = "!!document.querySelector('.ended')"
TALKS: dict[str, tuple[str, ...]] = {
    "offer_accepted": ("good_moment", "reason_price", "accepts", "rung_off"),
    "do_not_call": ("no_calls", "rung_off"),
}
"""What somebody answers, step by step, before the call ends so."""
CALLS = (
    *(("1", "no_answer"), ("2", "busy"), ("3", "voicemail_nomsg"), ("a", "offer_accepted"), ("5", "tech_failure")),
    *(("1", "no_answer"), ("x", "do_not_call"), ("2", "busy"), ("1", "no_answer"), ("a", "offer_accepted")),
)
"""Ten calls: the key that ends each, and what is kept."""


def as_somebody(live: Live, who: str, play: Callable[[Tab, Frame], Awaitable[None]], *, width: int = 1280) -> None:
    """Logs in at Airflow's form and opens Habitué from Airflow's menu."""
    home = str(live.client.base_url)

    async def begin(tab: Tab) -> None:
        await tab.tell("Network.setExtraHTTPHeaders", headers={"accept-language": "en"})
        await tab.tell("Page.navigate", url=home)
        await tab.until("!!document.querySelector('input[name=username]')", SLOW)
        await tab.type("input[name=username]", who)
        await tab.type("input[name=password]", who)
        await tab.picture(f"airflow-login-{who}", whole=False)
        await tab.key("Enter")
        await tab.until("!!document.querySelector('a[href$=\"/plugin/habitue\"]')", SLOW)
        await tab.press('a[href$="/plugin/habitue"]')
        frame = Frame(tab)
        await frame.until("location.pathname.startsWith('/habitue/') && !!document.querySelector('main h2')", SLOW)
        await play(tab, frame)

    in_a_browser(begin, width=width)


async def go(frame: Frame, link: str, wanted: str) -> None:
    """Follows a link in the frame, to the page where this holds."""
    await frame.press(link)
    await frame.until(f"document.readyState === 'complete' && {wanted}", SLOW)


def eleven_in_the_morning() -> str:
    """The zone where the live shop's clock says so now: there, people may be rung."""
    hour = clock.now({"HABITUE_TODAY": ON.isoformat()}, load_shop().tz).hour
    return f"Etc/GMT{hour - 11:+d}"


@pytest.fixture(scope="module")
def called(live: Live) -> str:
    """Those who have left said in spring that they may be called, and the campaign for them waits for approval."""
    with live.engine.begin() as connection:
        left = connection.scalars(
            text(
                "select customer_id from customer join segment using (customer_id) where segment = 'lapsed' "
                "and phone is not null and call_barrier is null and country = 'FR' order by 1 limit 60"
            )
        ).all()
        agreed = [event(one, "call", "granted", SPRING, valid_until=date(2027, 4, 2)) for one in left]
        connection.execute(insert(consent), agreed)
        zone = {"zone": eleven_in_the_morning(), "who": left}
        connection.execute(text("update customer set timezone = :zone where customer_id = any(:who)"), zone)
    return live.start("winback_calls")


def test_a_run_is_approved_in_airflow_and_ten_calls_are_made(live: Live, called: str) -> None:
    """ops1 finds the run at home, is led to Airflow's page of what waits, and approves; anna works its list."""
    live.question(called, "approve")

    async def approve(tab: Tab, frame: Frame) -> None:
        await frame.until("!!document.querySelector('a.airflow[href$=\"/required_actions\"]')", SLOW)
        assert "Win-back calls" in await frame.text()
        await tab.picture("home-waiting")
        await frame.press('a.airflow[href$="/required_actions"]')
        question = "a[href*='winback_calls'][href$='/required_actions']"
        await tab.until(f"location.pathname === '/required_actions' && !!document.querySelector({question!r})", SLOW)
        await tab.picture("airflow-required-actions", whole=False)
        await tab.press(question)
        button = "[data-testid='hitl-option-Approve']:not([disabled])"
        await tab.until(f"!!document.querySelector({button!r})", SLOW)
        await tab.picture("airflow-approve", whole=False)
        await tab.press(button)
        await tab.until(f"!document.querySelector({button!r})", SLOW)

    as_somebody(live, "ops1", approve)
    until(lambda: live.rows("select said_by from approval where run_id = :run", run=RUN) == [("ops1",)], "it is kept")
    live.question(called, "approve_second")
    live.decide("boss", called, "approve_second", "Approve")
    until(lambda: live.state(called) == "success", "the run goes on to its end")

    async def ring(tab: Tab, frame: Frame) -> None:
        assert await frame.ask("location.pathname") == "/habitue/desk/"  # an agent's pages begin there
        assert await frame.ask("document.querySelectorAll('nav li').length") == 1
        await frame.ask("window.focus()")
        for number, (end, disposition) in enumerate(CALLS):
            await frame.tab_to(".huge")
            await at_once(frame, "n", CARD, alt=True)
            if number == 0:
                await tab.picture("desk-card", whole=False)
            await at_once(frame, "t", DIALLED, alt=True)
            for answer in TALKS.get(disposition, ()):
                await frame.tab_to(f"button[value={answer}]")
                await at_once(frame, "Enter", f"!document.querySelector('button[value={answer}]')")
                await tab.picture(f"desk-talk-{number}-{answer}", whole=False)
            await at_once(frame, end, ENDED, alt=True)
        assert "10" in await frame.ask("document.querySelector('.figures b').innerText")
        await tab.picture("desk-ten-calls", whole=False)

    as_somebody(live, "anna", ring)
    kept = live.rows("select agent, disposition from call_attempt where run_id = :run order by attempt_id", run=RUN)
    assert kept == [("anna", disposition) for _, disposition in CALLS]


async def at_once(frame: Frame, name: str, wanted: str, *, alt: bool = False) -> None:
    """A key, and the page that comes of it."""
    await frame.key(name, alt=alt)
    await frame.until(f"document.body && document.readyState === 'complete' && {wanted}", SLOW)


def test_olga_finds_a_customer_and_looks_at_a_letter(live: Live) -> None:
    who, first, last = live.rows(
        "select customer_id, first_name, last_name from customer where email is not null and phone is not null "
        "and first_name is not null and last_name is not null order by customer_id limit 1"
    )[0]

    async def look(tab: Tab, frame: Frame) -> None:
        await go(frame, "nav a[href$='/customers/']", "!!document.querySelector('#looked_for')")
        await frame.type("#looked_for", f"{last} {first}")
        await frame.key("Enter")
        await frame.until(f"!!document.querySelector('#results a[href$=\"/customers/{who}\"]')", SLOW)
        await tab.picture("customers-found", whole=False)
        await go(frame, f"#results a[href$='/customers/{who}']", f"location.pathname.endsWith('/{who}')")
        assert last.casefold() in (await frame.text()).casefold()
        await tab.picture("customer", whole=False)
        await go(frame, "nav a[href$='/campaigns/']", "!!document.querySelector('a[href$=\"/campaigns/preview\"]')")
        await go(frame, "a[href$='/campaigns/preview']", "!!document.querySelector('[name=template]')")
        await frame.ask("document.querySelector('[name=template]').value = 'letters/quarterly/lapsed'")
        seen = "document.images.length === 2 && [...document.images].every(i => i.complete && i.naturalWidth > 100)"
        await go(frame, "main form button", seen)
        await tab.picture("preview-letter", whole=False)

    as_somebody(live, "olga", look)
    trail = live.rows("select what, customer_id from audit where said_by = 'olga' order by audit_id")
    assert [what for what, _ in trail[:2]] == ["searched", "viewed"]
    assert trail[1] == ("viewed", who)
