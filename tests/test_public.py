"""The link in a mail: one button, and whoever presses it is left in peace."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, delete, insert, update
from starlette.routing import Route
from starlette.testclient import TestClient

from habitue import holds, preferences
from habitue.campaigns import Campaign
from habitue.house import House
from habitue.tables import Hold, consent, customer, segment, suppression
from habitue.tokens import Scope, decoy, sign
from habitue.web.door import SAFE, Allowance, Shares, address
from habitue.web.public import create
from habitue.web.public_pages import Pages, colours, contrast
from people import ANNA, AT, BORIS, CLARA, KEY, SECRET, event, marked, person, standing
from public_site import MAILS, ONE_CLICK, Site, end, shape, site, wishes
from test_controls import claimed, mailed
from test_plan_rules import why
from test_plans import SHOP, campaign, planned, written_to

FORGED = decoy("x", SECRET)


@pytest.fixture
def pages(base: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(Campaign, "template_files", lambda self, languages: {"copy": "0"})
    with site(base) as made:
        yield made


def test_looking_changes_nothing_for_scanners_follow_links(pages: Site) -> None:
    before = pages.kept()
    with pages.client() as browser:
        for path in (end(), wishes()):
            looked, asked = browser.get(path), browser.head(path)
            assert (looked.status_code, asked.status_code, asked.text) == (200, 200, "")
            assert 'method="post"' in looked.text
        assert browser.get(end()).text.count("<button") == 1
    assert pages.kept() == before


@pytest.mark.parametrize(
    ("body", "source", "wording"),
    [
        ({"data": ONE_CLICK}, "one_click", "RFC 8058"),
        ({"files": {"List-Unsubscribe": (None, "One-Click")}}, "one_click", "RFC 8058"),
        ({"data": {"unsubscribe": "yes"}}, "unsubscribe", "public-1/fr"),
    ],
)
def test_pressing_the_button_of_the_mail_or_the_page_ends_e_mails(
    pages: Site, body: dict[str, Any], source: str, wording: str
) -> None:
    with pages.client() as mail_program:
        answers = []
        for _ in range(3):
            answers.append(mail_program.post(end(), **body))
            pages.later(hours=1)
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.text for answer in answers} == {answers[0].text}
    assert not any("set-cookie" in answer.headers for answer in answers)
    (said,) = pages.rows("consent", customer_id=ANNA, direct=True)
    assert said == said | {
        "channel": "email",
        "purpose": "marketing",
        "status": "withdrawn",
        "recorded_at": AT,
        "known_at": AT,
        "source": source,
        "wording_version": wording,
    }
    (barred,) = pages.rows("suppression")
    assert (barred["channel"], barred["reason"], barred["source"]) == ("email", "unsubscribed", "person")
    assert bytes(barred["mark"]) == KEY.mark("email:anna@example.fr")
    (told,) = pages.rows("outcome")
    assert (told["message_id"], told["kind"], told["occurred_at"]) == (MAILS[ANNA], "unsubscribed", AT)


def test_whoever_unsubscribed_is_kept_out_of_claims_and_of_every_later_plan(pages: Site) -> None:
    under_way, part = mailed(pages.engine)
    twin = person("twin", email="ANNA@example.fr ", first_name="Annabelle", household=None)
    with pages.engine.begin() as connection:
        connection.execute(insert(customer), [marked(twin)])
        connection.execute(insert(segment), [standing("twin", "regular_light")])
        connection.execute(insert(consent), [event("twin", "email", "granted", AT)])
    assert ANNA in written_to(pages.engine, under_way.run_id)
    with pages.client() as mail_program:
        mail_program.post(end(), data=ONE_CLICK)
    assert claimed(pages.engine, part).cancelled == 1
    (hers,) = pages.rows("message", run_id=under_way.run_id, customer_id=ANNA)
    assert (hers["state"], hers["reason"]) == ("cancelled", "objected")
    later = planned(pages.engine, campaign("email", name="later"))
    assert why(pages.engine, later) == ("objected", "email objected 2026-10-01")
    assert why(pages.engine, later, "twin") == ("suppressed", "email suppressed unsubscribed 2026-10-01")


def test_an_import_does_not_bring_her_back_whatever_its_date(pages: Site) -> None:
    with pages.client() as mail_program:
        mail_program.post(end(), data=ONE_CLICK)
    moments = [AT + timedelta(days=days, hours=1) for days in (-1, 0, 1, 300)]
    with pages.engine.begin() as connection:
        connection.execute(insert(consent), [event(ANNA, "email", "granted", at) for at in moments])
        connection.execute(delete(suppression))
    assert why(pages.engine, planned(pages.engine, campaign("email")))[0] == "objected"  # type: ignore[index]


@pytest.mark.parametrize("path", ["u", "p"])
def test_a_forged_token_is_answered_alike_and_does_nothing(pages: Site, path: str) -> None:
    before = pages.kept()
    scope = Scope.UNSUBSCRIBE if path == "u" else Scope.PREFERENCES
    unknown = sign(UUID(int=99), SECRET, scope)
    other = sign(MAILS[ANNA], SECRET, Scope.PREFERENCES if path == "u" else Scope.UNSUBSCRIBE)
    body = {"unsubscribe": "yes"} if path == "u" else {"save": "yes", "fewer": "on", "language": "fr"}
    nobodys = [FORGED, unknown, other, sign(MAILS[ANNA], b"another" * 9, scope), "x", "é%00" + "x" * 300]
    with pages.client() as browser:
        for token in nobodys:
            looked, pressed = browser.get(f"/{path}/{token}"), browser.post(f"/{path}/{token}", data=body)
            assert (looked.status_code, pressed.status_code) == (200, 200)
            assert pages.kept() == before
        real = browser.get(end() if path == "u" else wishes(CLARA))
        assert shape(real.text) == shape(looked.text)
        assert (real.status_code, dict(real.headers)) == (200, dict(looked.headers))
        pressed = browser.post(f"/{path}/{FORGED}", data=body)
        real = browser.post(end() if path == "u" else wishes(CLARA), data=body)
        assert shape(real.text) == shape(pressed.text)
        assert dict(real.headers) == dict(pressed.headers)


@pytest.mark.parametrize("fate", ["gone", "erased", "deleted"])
def test_who_has_left_or_was_forgotten_since_is_answered_all_the_same(pages: Site, fate: str) -> None:
    if fate == "gone":
        with pages.engine.begin() as connection:
            connection.execute(update(customer).where(customer.c.customer_id == ANNA).values(gone="2026-09-30"))
    elif fate == "erased":
        holds.open_hold(pages.engine, ANNA, Hold.ERASED, by="olga", at=AT)
    else:
        with pages.engine.begin() as connection:
            connection.execute(delete(customer).where(customer.c.customer_id == ANNA))
    with pages.client() as browser:
        for path in (end(), wishes()):
            assert browser.get(path).status_code == 200
        assert browser.post(end(), data=ONE_CLICK).status_code == 200
        every = {"save": "yes", "email": "on", "call": "on"}
        assert browser.post(wishes(), data=every).status_code == 200
    said = [(row["channel"], row["status"]) for row in pages.rows("consent", customer_id=ANNA, direct=True)]
    assert said[0] == ("email", "withdrawn")
    assert (("call", "granted") in said) is (fate == "gone")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"data": {"List-Unsubscribe": "Two-Click"}}, 400),
        ({"data": {}}, 415),
        ({"content": b"", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 400),
        ({"content": b"\xff\xfe=1", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 400),
        ({"data": {f"field{number}": "1" for number in range(99)}}, 400),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b; charset=none-such"}}, 400),
        ({"files": {"List-Unsubscribe": ("a.txt", "One-Click")}}, 400),
        ({"json": ONE_CLICK}, 415),
        ({"content": b"x" * 70_000, "headers": {"content-type": "application/x-www-form-urlencoded"}}, 413),
    ],
)  # fmt: skip
def test_what_is_no_unsubscription_is_refused_and_does_nothing(pages: Site, sent: dict[str, Any], status: int) -> None:
    before = pages.kept()
    with pages.client() as browser:
        refused = browser.post(end(), **sent)
    assert refused.status_code == status
    assert "Maison Tilleul" in refused.text
    assert pages.kept() == before


# What everybody is answered with


def test_every_answer_carries_the_strict_headers(pages: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def struck(*_: object, **__: object) -> None:
        raise RuntimeError("anna@example.fr")

    with pages.client() as browser:
        answers = [
            browser.get(end()),
            browser.get("/public.css"),
            browser.get("/robots.txt"),
            browser.get("/healthz"),
            browser.get("/nowhere/at/all"),
            browser.put(end()),
            browser.post(end(), content=b"x" * 70_000),
        ]
        monkeypatch.setattr(preferences, "language_of", struck)
        answers.append(browser.get(end()))
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 404, 405, 413, 500]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in SAFE} == SAFE
        assert not {"server", "set-cookie", "location", "strict-transport-security"} & set(answer.headers)
        assert "script" not in answer.text
        assert "anna@example.fr" not in answer.text
    assert "unsafe" not in SAFE["content-security-policy"]


def test_a_trailing_slash_is_no_redirect(pages: Site) -> None:
    with pages.client() as browser:
        assert browser.post(f"{end()}/", data=ONE_CLICK).status_code == 404


def test_the_log_holds_no_token_no_path_and_nothing_of_an_error(
    pages: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def struck(*_: object, **__: object) -> None:
        raise RuntimeError(f"anna@example.fr {end()}")

    caplog.set_level(logging.DEBUG)
    with pages.client() as browser:
        browser.get(end())
        browser.post(end(), data=ONE_CLICK)
        browser.get("/wp-login.php?user=anna%0aERROR")
        monkeypatch.setattr(preferences, "language_of", struck)
        browser.get(end())
    ours = [record.getMessage() for record in caplog.records if record.name == "habitue.public"]
    assert [line.rpartition(" ")[0].rpartition(" ")[0] for line in ours if "ms" in line] == [
        "GET /u/{token} 200",
        "POST /u/{token} 200",
        "GET - 404",
        "GET /u/{token} 500",
    ]
    assert any(line.startswith("RuntimeError at public.py:") for line in ours)
    told = "\n".join(ours)
    assert not any(word in told for word in (end()[3:], "anna", "wp-login"))


def test_the_health_page_asks_the_database(pages: Site) -> None:
    with pages.client() as watcher:
        assert (watcher.get("/healthz").status_code, watcher.get("/healthz").text) == (200, "ok\n")
    away = {"HABITUE_DATABASE_URL": "postgresql://127.0.0.1:1/habitue?connect_timeout=1"}
    house = House.of({**away, "HABITUE_SECRET": SECRET.decode()})
    with TestClient(create(house, lambda: AT), raise_server_exceptions=False) as watcher:
        assert watcher.get("/healthz").status_code == 503
        refused = watcher.post(end(), data=ONE_CLICK)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    house.engine.dispose()


def test_the_shop_s_language_is_the_last_resort(pages: Site) -> None:
    with pages.engine.begin() as connection:
        connection.execute(update(customer).where(customer.c.customer_id == BORIS).values(language="en"))
    with pages.client() as browser:

        def language(path: str, accepted: str) -> str:
            return browser.get(path, headers={"accept-language": accepted}).text.split('lang="')[1][:2]

        assert language(end(BORIS), "fr") == "en"
        assert language(end(ANNA), "en") == "fr"
        assert language(f"/u/{FORGED}", "de, en-GB;q=0.8, fr;q=0.2") == "en"
        assert language("/nowhere", "en;q=0.3, fr;q=0.9") == "fr"
        assert language("/nowhere", "de;q=x, ,;;q=1") == "fr"


@pytest.mark.parametrize("accent", ["#7a3b2e", "#ffee00", "#000000", "#ffffff", "#808080", "#0050ff"])
def test_whatever_a_shop_s_colours_they_can_be_read(accent: str) -> None:
    head = SHOP.letterhead.model_copy(update={"accent": accent, "ink": "#cccccc"})
    made = colours(SHOP.model_copy(update={"letterhead": head}))
    for text, ground in (
        (made["on_accent"], made["accent"]),
        (made["link"], "#fbf9f6"),
        (made["ink"], "#fbf9f6"),
        (made["dark_link"], "#221e1a"),
        (made["dark_on_accent"], made["dark_accent"]),
    ):
        assert contrast(text, ground) >= 4.5, (text, ground)
    assert "{{" not in Pages(SHOP).css


# Who comes too often


def test_an_address_that_comes_too_often_waits_and_another_does_not(base: Engine) -> None:
    few = {"": Allowance(a_second=0.001, at_once=3)}
    with site(base, allowances=few) as made:
        with made.client(client=("192.0.2.1", 1)) as flood, made.client(client=("192.0.2.2", 1)) as other:
            assert [flood.get(end()).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
            refused = flood.post(end(), data=ONE_CLICK)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
            assert "Trop de demandes" in refused.text
            assert other.get(end()).status_code == 200
        assert made.rows("outcome") == []


def test_only_a_proxy_that_we_named_says_where_requests_come_from(base: Engine) -> None:
    few = {"": Allowance(a_second=0.001, at_once=2)}
    with site(base, {"HABITUE_PROXIES": "10.0.0.0/8"}, allowances=few) as made:

        def statuses(peer: str, forwarded: list[str]) -> list[int]:
            with made.client(client=(peer, 1)) as client:
                return [client.get(end(), headers={"x-forwarded-for": one}).status_code for one in forwarded]

        assert statuses("10.1.2.3", ["192.0.2.1", "192.0.2.2", "192.0.2.3"]) == [200, 200, 200]
        # who is not the proxy can't hide behind another address, nor put one before the proxy's own word
        assert statuses("198.51.100.7", ["192.0.2.8", "192.0.2.9", "192.0.2.10"]) == [200, 200, 429]
        assert statuses("10.1.2.3", [f"192.0.2.{n}, 198.51.100.9" for n in range(3)]) == [200, 200, 429]
        with made.client(client=("10.1.2.3", 1)) as client:
            secured = client.get("/robots.txt", headers={"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.50"})
            assert secured.headers["strict-transport-security"].startswith("max-age=31536000")
        with made.client(client=("198.51.100.8", 1)) as client:
            claimed_only = client.get("/robots.txt", headers={"x-forwarded-proto": "https"})
            assert "strict-transport-security" not in claimed_only.headers


def test_a_share_fills_again_and_strangers_beyond_number_are_forgotten() -> None:
    shares, allowed = Shares(most=100), Allowance(a_second=2, at_once=4)
    assert [shares.take("a", allowed, 0) for _ in range(5)] == [True] * 4 + [False]
    assert [shares.take("a", allowed, 1) for _ in range(3)] == [True, True, False]
    assert [shares.take("a", allowed, 1000) for _ in range(5)] == [True] * 4 + [False]
    for number in range(1000):
        shares.take(f"stranger {number}", allowed, 1000)
    assert len(shares._left) == 100


@pytest.mark.parametrize(
    ("host", "whose"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::"),
        ("", "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_an_ipv6_customer_has_one_share_for_all_his_addresses(host: str, whose: str) -> None:
    assert address(host) == whose


def test_the_app_is_made_from_the_environment_when_it_is_asked_for(
    base: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from uvicorn.importer import import_from_string

    monkeypatch.setenv("HABITUE_DATABASE_URL", base.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HABITUE_SECRET", SECRET.decode())
    app = import_from_string("habitue.web.public:app")
    assert any(isinstance(route, Route) and route.path == "/u/{token}" for route in app.routes)
