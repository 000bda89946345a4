"""Every page that the router knows, as everybody who may open it, in a real browser: what axe finds of WCAG 2.2 AA, how
it fits, and that what people are called is text and nothing else, whatever they are called.

A page that takes a new kind of parameter needs an example of it here: see `examples`.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import EnumType
from html import unescape
from pathlib import Path
from typing import get_args
from urllib.parse import quote

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import URL, create_engine, text

from chromium import CHROMIUM, MISSING, Tab, in_a_browser
from habitue import controls, erasures, trends
from habitue.database import connect
from habitue.figures import FIGURES
from habitue.house import House
from lived_in import lived, one
from ops_site import Site, browsed, pages
from test_runs import ON, house_at

__all__ = ["lived"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)

AT = datetime(2026, 10, 1, 9, tzinfo=UTC)
"""A Thursday at eleven in Lyon: people may be rung."""
RUN = f"winback_calls:{ON}"
LONG = "Donaudampfschifffahrtsgesellschaftskapitän" * 4
NAUGHTY = (
    "<script>window.hit = 1</script>",
    "\"><img src=x onerror='window.hit = 1'><b class=harmed>",
    "' onmouseover='window.hit = 1' autofocus onfocus='window.hit = 1",
    "</textarea></title></select></table><b class=harmed>",
    "{{ 7 * 7 }}{% raw %}${7 * 7}<%= 7 * 7 %>",
    "%s %(name)s {0} {name} {what!r} %n",
    "Robert'); DROP TABLE customer;--",
    "=cmd|' /C calc'!A0",
    "javascript:window.hit = 1",
    "NULL",
    "\u202eesrever \u2066tfel\u200b\u200d\ufeff",
    "Z\u0351\u036b\u0343a\u0356\u0311l\u0300g\u0311o\u0315 \u1e69\u0323",
    "👩‍👩‍👧‍👦 田中さん بهزاد שמואל Ⅷ ﬃ ı",
    LONG,
    "a\r\nSet-Cookie: hit=1\t\x0b",
    "&lt;b class=harmed&gt; &amp;amp; &#x202e; \\u003cb\\u003e",
)
"""Names that somebody's program once tripped over."""
FIELDS = {
    "customer": ("first_name", "last_name", "street", "address_extra", "postcode", "city", "email"),
    "consent": ("source", "wording_version"),
    "message": ("offer_code",),
    "call_attempt": ("notes",),
    "complaint": ("about", "answer"),
    "hold": ("opened_by", "closed_by"),
    "run": ("state_reason", "state_by"),
    "approval": ("said_by",),
    "stop": ("reason", "said_by"),
    "audit": ("subject",),
    "suppression": ("source", "lifted_by"),
}
"""Everything that people wrote, of themselves or of others, and that a page may show."""
IN_TURN = (
    "update {table} set {field} = (cast(:naughty as text[]))[1 + (abs(hashtext(ctid::text || '{field}')) % :many)] "
    "where {field} is not null"
)


@dataclass
class Town:
    """The house, and what there is in it to be opened."""

    house: House
    site: Site
    examples: dict[str, list[str]]
    known: dict[str, list[str]] = field(default_factory=dict)

    def paths(self, who: str) -> list[str]:
        """Every address that this person gets a page from, whatever page."""
        if who not in self.known:
            self.known[who] = [path for path in addresses(self.examples) if self.shows(who, path)]
        return self.known[who]

    def shows(self, who: str, path: str) -> bool:
        answer = self.site.get(who, path)
        assert answer.status_code < 500, path
        return answer.headers.get("content-type", "").startswith("text/html") and answer.status_code != 403


def addresses(examples: dict[str, list[str]]) -> Iterator[str]:
    for route in routes():
        names = re.findall(r"\{(\w+)", route.path)
        given = [[(name, value) for value in values_of(route, name, examples)] for name in names]
        for chosen in itertools.product(*given):
            path = route.path.replace(":path}", "}")
            for name, value in chosen:
                path = path.replace(f"{{{name}}}", quote(value, safe=""))
            yield path
    yield from examples["more"]


def routes() -> list[APIRoute]:
    whole = pages()
    (mounted,) = [one.app for one in whole.routes if getattr(one, "path", "") == "/habitue"]
    return [one for one in mounted.routes if isinstance(one, APIRoute) and "GET" in one.methods]


def values_of(route: APIRoute, name: str, examples: dict[str, list[str]]) -> list[str]:
    """The examples for this route, else of this name, else all that the route itself allows."""
    for known in (f"{route.path} {name}", name):
        if known in examples:
            return examples[known]
    kind = next(one.field_info.annotation for one in route.dependant.path_params if one.name == name)
    return [one.value for one in kind] if isinstance(kind, EnumType) else list(get_args(kind))


def test_every_page_has_an_example_of_each_of_its_parameters() -> None:
    known = {name: ["x"] for name in NAMES}
    assert [path for path in addresses({**known, "more": []}) if "{" in path] == []
    for route in routes():
        for name in re.findall(r"\{(\w+)", route.path):
            assert values_of(route, name, known), f"{route.path} needs an example of {name}: see examples"


NAMES = ("run_id", "customer_id", "message_id", "complaint_id", "dataset", "rule", "name", "path", "folder", "dag_id")
NAMES += ("dag_run_id", "figure")


def examples_of(house: House, who: str, card: str) -> dict[str, list[str]]:
    snapshot = house.lake.latest()
    assert snapshot is not None
    dataset, rules = next((name, rules) for name, rules in snapshot.manifest["rejects"].items() if rules)
    mail = next((house.out / "emails").glob("*.html"), None)
    return {
        "run_id": [RUN],
        "/runs/{run_id} run_id": [RUN, f"quarterly_letter:{ON}"],
        "customer_id": [who],
        "message_id": [card],
        "complaint_id": [str(one(house, "select max(complaint_id) from complaint"))],
        "dataset": [dataset],
        "rule": [next(iter(rules))],
        "/problems/reach/{channel}/{rule} rule": [one(house, "select max(call_barrier) from customer"), "no_email"],
        "/static/{name} name": ["ops.css"],
        "/runs/{run_id}/files/{folder}/{name} name": ["x.csv"],
        "folder": ["calls"],
        "name": list(FIGURES),
        "path": ["index.html", *([mail.name] if mail else [])],
        "figure": ["orders", "delivered", "x"],
        "dag_id": ["quarterly_letter", "private_event", "nobody"],
        "dag_run_id": ["manual__2026"],
        "more": [
            *(f"/campaigns/preview?template={name}" for name in ("calls/winback", "emails/winback/lapsed")),
            *(
                "/campaigns/preview?template=letters/nobody/knows",
                f"/campaigns/preview?template=calls/winback&customer={who}",
            ),
            *(
                "/campaigns/calendar?span=2026",
                f"/runs/{quote(RUN)}/excluded?customer=x",
                f"/customers/{who}?done=consent",
            ),
            *("/figures/size?span=day", f"/figures/size/rows?span=day&ends={ON}&part=lapsed", "/audit/?by=olga"),
            *("/runs/unknown%3A2026-10-01", "/customers/nobody", "/nowhere", "/runs/?state=open"),
        ],
    }


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, exports: Path, lived: Path, server: URL) -> Iterator[Town]:
    """The lived-in house after a morning at the desk, and then everybody got a name from NAUGHTY."""
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("drop database if exists habitue_naughty with (force)"))
        connection.execute(text("create database habitue_naughty template habitue_lived"))
    admin.dispose()
    out = tmp_path_factory.mktemp("naughty") / "out"
    shutil.copytree(lived, out, copy_function=shutil.copyfile)
    engine = connect(server.set(database="habitue_naughty"))
    house = house_at(out, exports, engine)
    trends.refresh(house, at=AT)
    site = Site(house, AT)
    for who, disposition in (("olga", "no_answer"), ("olga", "complaint"), ("anna", "busy")):
        card = next_card(site, who)
        page = site.get(who, f"/desk/card/{card}").text
        (attempt,) = set(re.findall(r'name="attempt" value="(\d+)"', page))
        said = {"attempt": attempt, "disposition": disposition, "notes": "x", "complaint": "x"}
        assert site.post(who, f"/desk/card/{card}/end", **said).status_code == 200
    held = {who: next_card(site, who) for who in ("olga", "anna")}  # each has a customer on the line
    rung = one(house, "select customer_id from call_line where message_id = cast(:id as uuid)", id=held["olga"])
    gone = one(house, "select max(customer_id) from customer where customer_id <> :rung", rung=rung)
    erasures.order(house.engine, [gone], rule="asked", by="olga", reason="asked", at=AT)
    controls.pause(house.engine, f"quarterly_letter:{ON}", by="olga", reason="x", at=AT)
    known = examples_of(house, rung, held["olga"])
    known["/desk/card/{message_id} message_id"] = list(held.values())
    known["/customers/{customer_id}/erasure customer_id"] = [gone]
    with house.engine.begin() as connection:
        for table, fields in FIELDS.items():
            for field in fields:
                asked = text(IN_TURN.format(table=table, field=field))
                connection.execute(asked, {"naughty": list(NAUGHTY), "many": len(NAUGHTY)})
        connection.execute(
            text("update call_line set favourites = cast(:naughty as text[])"),
            {"naughty": [*NAUGHTY[:4], LONG]},
        )
    site.post("olga", f"/customers/{rung}/export")
    yield Town(house, site, known)
    house.engine.dispose()
    engine.dispose()


def next_card(site: Site, who: str) -> str:
    """The card that the agent is led to, and dials."""
    card = site.post(who, "/desk/next").headers["location"].rpartition("/")[2]
    assert site.post(who, f"/desk/card/{card}/dial").status_code == 303
    return str(card)


MADE = "document.querySelectorAll('.harmed, [onmouseover], [onfocus], img[src=x]').length"
HARMED = f"[window.hit, {MADE}, document.cookie]"


LOOKS = [("olga", 1200, "en"), ("olga", 390, "fr"), ("anna", 390, "fr")]
"""At a desk or on a telephone, in one language or the other; EVERY_LOOK=1 adds the rest, minutes more. What marc sees,
olga sees too."""
if "EVERY_LOOK" in os.environ:
    LOOKS += [("olga", 1200, "fr"), ("olga", 390, "en"), ("anna", 1200, "en")]
    LOOKS += [("marc", 1200, "en"), ("marc", 390, "fr")]


@pytest.mark.parametrize(("who", "width", "language"), LOOKS)
def test_every_page_keeps_to_wcag_fits_and_runs_nothing_of_a_name(
    town: Town, who: str, width: int, language: str
) -> None:
    async def play(tab: Tab) -> None:
        wrong: dict[str, list[str]] = {}
        for path in town.paths(who):
            await tab.open(f"{address}{path}{'&' if '?' in path else '?'}language={language}")
            await tab.ask("document.querySelectorAll('details').forEach(d => { d.open = true })")
            found = await tab.faults(colours=width > 500)  # they are the same on a telephone
            if not await tab.ask("document.documentElement.scrollWidth <= innerWidth"):
                found.append(f"too wide: {await tab.ask(WIDE)}")
            harm = await tab.ask(HARMED)
            if harm != [None, 0, ""]:
                found.append(f"a name was more than text: {harm}")
            if found:
                wrong[path] = found
        assert wrong == {}, "\n".join(f"{path}\n  " + "\n  ".join(found) for path, found in wrong.items())

    with browsed(town.house, AT, who=who) as address:
        in_a_browser(play, width=width)


WIDE = """[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
  .map(e => e.tagName + '.' + e.className).slice(0, 5).join(' ')"""


@pytest.mark.parametrize("name", NAUGHTY)
def test_a_customer_of_any_name_is_found_and_shown_by_it(town: Town, name: str) -> None:
    who = one(town.house, "select min(customer_id) from customer where last_name = :name", name=name)
    page = town.site.get("olga", f"/customers/{who}")
    assert page.status_code == 200
    assert " ".join(name.split()) in words(page.text)
    found = town.site.post("olga", "/customers/", looked_for=name)
    assert found.status_code == 200
    assert "<b class=harmed>" not in found.text


def words(html: str) -> str:
    """What is read of it."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())
