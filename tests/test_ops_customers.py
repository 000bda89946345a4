"""The pages on customers: found, shown whole, acted for, and every look kept."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import delete, insert, select, update

from habitue import explanations, purchase_history, scores
from habitue.erasures import STEPS
from habitue.house import House
from habitue.kinds import Audited
from habitue.tables import Channel, audit, complaint, consent, customer, erasure, exclusion, hold, run, segment
from lived_in import lived, person, town
from ops_site import Site
from test_runs import ON, now

__all__ = ["lived", "town"]


@pytest.fixture
def site(town: House) -> Site:
    return Site(town, now())


def page_of(site: Site, who: str, **asked: str) -> str:
    found = site.get("olga", f"/customers/{who}", **asked)
    assert found.status_code == 200
    return unescape(found.text)


def told(house: House) -> list[tuple[str, str, str | None, str | None]]:
    asked = select(audit.c.said_by, audit.c.what, audit.c.customer_id, audit.c.subject).order_by(audit.c.audit_id)
    with house.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(asked)]


def row(house: House, question: Any) -> Any:
    with house.engine.connect() as connection:
        return connection.execute(question).mappings().one()


# Search -------------------------------------------------------------------------------------------------------------


def test_a_search_is_a_post_and_leads_to_the_customer(site: Site, town: House) -> None:
    who = person(town, "letter")
    assert "Search for somebody" in site.get("olga", "/customers/").text
    found = site.post("olga", "/customers/", looked_for=f"{who['last_name']} {who['first_name']}")
    assert found.status_code == 200
    assert f'href="/habitue/customers/{who["customer_id"]}"' in found.text
    assert who["city"] in unescape(found.text)
    straight = site.post("olga", "/customers/", looked_for=who["customer_id"])
    assert (straight.status_code, straight.headers["location"]) == (303, f"/habitue/customers/{who['customer_id']}")
    assert "Nobody is found" in site.post("olga", "/customers/", looked_for="qqqqqqqqqqq").text
    assert told(town) == [("olga", Audited.SEARCHED, None, "customers")] * 3


def test_what_was_looked_for_never_goes_into_an_address(site: Site, town: House) -> None:
    """Sorted, narrowed, paged or taken out: the name stands in the body of a post."""
    page = site.post("olga", "/customers/", looked_for=person(town, "letter")["last_name"]).text
    forms = [form for form in re.findall(r"<form.*?</form>", page, re.DOTALL) if 'name="looked_for"' in form]
    assert len(forms) == 3
    for form in forms:
        assert 'method="post"' in form.partition(">")[0]
        assert "hx-get" not in form


def test_a_search_from_elsewhere_is_refused(site: Site) -> None:
    headers = {"x-who": "olga", "sec-fetch-site": "cross-site"}
    assert site.client.post("/habitue/customers/", headers=headers, data={"looked_for": "x"}).status_code == 403


def test_results_sort_narrow_and_go_out_as_a_file(site: Site, town: House) -> None:
    with town.engine.connect() as connection:
        name = connection.scalar(
            select(customer.c.last_name)
            .where(customer.c.last_name.is_not(None))
            .order_by(customer.c.customer_id)
            .limit(1)
        )
    page = site.post("olga", "/customers/", looked_for=name, sort="-city").text
    assert 'aria-sort="descending"' in page
    assert f'name="looked_for" value="{name}"' in page
    file = site.post("olga", "/customers/", **{"looked_for": name, "as": "csv"})
    rows = list(csv.reader(io.StringIO(file.text.lstrip("\ufeff")), delimiter=";"))
    assert rows[0][:4] == ["Match", "Customer", "First name", "Last name"]
    assert len(rows) > 1
    assert told(town)[-1][1] == Audited.EXPORTED


# One customer -------------------------------------------------------------------------------------------------------


def test_a_customers_page_tells_who_bought_what_was_sent_and_what_is_allowed(site: Site, town: House) -> None:
    who = person(town, "letter")
    page = page_of(site, who["customer_id"])
    for known in (who["first_name"], who["last_name"], who["email"], who["street"], who["city"]):
        assert known in page
    stands = row(town, select(segment).where(segment.c.customer_id == who["customer_id"]))
    assert f"<b>{stands['score']} <small>of" in page
    assert '<svg role="img"' in page
    assert "Purchases over time" in page
    assert 'href="/habitue/runs/quarterly_letter' in page
    assert "Message" in page
    assert told(town) == [("olga", Audited.VIEWED, who["customer_id"], "customer")]


def test_what_is_taken_out_of_one_customers_page_is_kept_with_their_number(site: Site, town: House) -> None:
    who = person(town, "letter")["customer_id"]
    assert site.get("olga", f"/customers/{who}", **{"list": "sent", "as": "csv"}).status_code == 200
    assert told(town) == [("olga", Audited.EXPORTED, who, "sent")]


def test_the_page_is_in_french_too(site: Site, town: House) -> None:
    page = site.get("olga", f"/customers/{person(town, 'letter')['customer_id']}", language="fr").text
    assert "Où en est ce client" in page
    assert "Enregistrer un accord" in page


def test_purchases_are_those_of_the_lake_and_add_up(town: House) -> None:
    snapshot = town.lake.latest()
    assert snapshot is not None
    with town.engine.connect() as connection:
        rows = connection.execute(select(segment).order_by(segment.c.lifetime_cents.desc()).limit(5)).mappings().all()
    for stands in rows:
        lines = purchase_history.purchases(snapshot, stands["customer_id"])
        assert sum(line["amount_cents"] for line in lines) == stands["lifetime_cents"]
        drawn = purchase_history.picture(lines)
        assert sum(bar.cents for bar in drawn.bars) == stands["lifetime_cents"]
        assert len(drawn.bars) <= purchase_history.BARS


def test_the_parts_of_every_score_add_up_to_it(town: House) -> None:
    with town.engine.connect() as connection:
        rows = connection.execute(select(segment)).mappings().all()
    assert len(rows) > 100
    for stands in rows:
        parts = scores.parts(town.shop.scoring, stands, on=ON)
        assert sum(part.points for part in parts) == (stands["score"] or 0), stands["customer_id"]
        assert all(part.points <= part.most for part in parts)


def test_a_chosen_run_says_what_its_rule_saw(site: Site, town: House) -> None:
    with town.engine.connect() as connection:
        found = connection.scalars(select(run.c.run_id)).all()
        left = connection.execute(select(exclusion).limit(1)).mappings().one()
    page = page_of(site, left["customer_id"], run=left["run_id"])
    assert "Left out" in page
    assert f'<option value="{left["run_id"]}" selected>' in page
    assert all(run_id in page for run_id in found)
    assert site.get("olga", f"/customers/{left['customer_id']}", run="nothing:2020-01-01").status_code == 404


def test_lists_of_a_customer_sort_page_and_go_out(site: Site, town: House) -> None:
    who = person(town, "letter")["customer_id"]
    for name in ("purchases", "sent", "consents"):
        file = site.get("olga", f"/customers/{who}", **{"list": name, "as": "csv"})
        assert file.status_code == 200, name
        assert len(file.text.splitlines()) > 1, name
        assert site.get("olga", f"/customers/{who}", **{"list": name, "as": "xlsx"}).content[:2] == b"PK"
    page = page_of(site, who, list="purchases", sort="amount_cents")
    assert 'aria-sort="ascending"' in page


def test_who_is_not_there_is_not_found(site: Site) -> None:
    for path in ("/customers/nobody", "/customers/nobody/confirm/erase", "/customers/nobody/erasure"):
        assert site.get("olga", path).status_code == 404, path


# Acts ---------------------------------------------------------------------------------------------------------------


def test_a_consent_is_recorded_with_its_proof(site: Site, town: House) -> None:
    who = person(town, "letter")["customer_id"]
    assert "The words they agreed to" in site.get("olga", f"/customers/{who}/confirm/consent").text
    said = {"channel": "call", "source": "at the till", "wording": "script 3"}
    assert site.post("olga", f"/customers/{who}/consent", **said).status_code == 303
    kept = row(town, select(consent).where(consent.c.customer_id == who, consent.c.direct))
    assert (kept["channel"], kept["status"], kept["source"], kept["wording_version"]) == (
        "call", "granted", "at the till", "script 3",
    )  # fmt: skip
    assert kept["valid_until"] == ON + timedelta(days=365)
    page = page_of(site, who, done="consent")
    assert "The consent is recorded." in page
    assert "script 3" in page
    assert ("olga", Audited.CHANGED, who, "call granted") in told(town)


REFUSED = [
    ({"source": " ", "wording": "x"}, "where it was said is missing"),
    ({"source": "x", "wording": " "}, "the wording is missing"),
    ({"source": "x", "wording": "x", "valid_until": "2020-01-01"}, "is over"),
    ({"source": "x", "wording": "x", "valid_until": "2099-01-01"}, "holds until"),
    ({"source": "x", "wording": "x", "valid_until": "soon"}, "is no date"),
]


def test_a_consent_without_proof_is_refused(site: Site, town: House) -> None:
    who = person(town, "letter")["customer_id"]
    for fields, says in REFUSED:
        answer = site.post("olga", f"/customers/{who}/consent", channel="call", **fields)
        assert answer.status_code == 409, says
        assert says in answer.text
    assert not [one for one in told(town) if one[1] == Audited.CHANGED]


def test_a_withdrawal_holds_at_once_and_bars_the_address(site: Site, town: House) -> None:
    who = person(town, "email")["customer_id"]
    answer = site.post("olga", f"/customers/{who}/withdrawal", channel=["email", "letter"], source="by telephone")
    assert answer.status_code == 303
    found = explanations.explain(town, who, on=ON)
    rules = {one.channel: one.rule for one in found.consents}
    assert (rules["email"], rules["letter"]) == ("objected", "objected")
    assert [(one.channel, one.reason) for one in found.suppressions] == [("email", "unsubscribed")]
    later = Site(town, now() + timedelta(hours=1))
    later.post("olga", f"/customers/{who}/consent", channel="email", source="at the till", wording="form 2")
    found = explanations.explain(town, who, on=ON + timedelta(days=1))
    assert {one.channel: one.rule for one in found.consents}["email"] is None
    assert found.suppressions == ()
    assert site.post("olga", f"/customers/{who}/withdrawal", source="x").status_code == 422


def test_a_complaint_is_opened_and_closed(site: Site, town: House) -> None:
    who = person(town, "letter")["customer_id"]
    assert "manager answers it within 24 hours" in site.get("olga", f"/customers/{who}/confirm/complaint").text
    assert site.post("olga", f"/customers/{who}/complaint", about="thé éventé").status_code == 303
    assert row(town, select(hold).where(hold.c.customer_id == who))["opened_by"] == "olga"
    kept = row(town, select(complaint).where(complaint.c.customer_id == who))
    assert (kept["about"], kept["owner"], kept["due_at"] - kept["opened_at"]) == (
        "thé éventé", town.shop.calls.complaint_owner, timedelta(hours=24),
    )  # fmt: skip
    page = page_of(site, who)
    assert f"/desk/complaints/{kept['complaint_id']}" in page
    assert "thé éventé" in site.get("olga", "/desk/complaints").text
    assert f"/customers/{who}/confirm/settled" in page
    site.post("olga", f"/customers/{who}/settled")
    assert row(town, select(hold).where(hold.c.customer_id == who))["closed_by"] == "olga"
    assert row(town, select(complaint).where(complaint.c.customer_id == who))["closed_by"] == "olga"
    assert [one[3] for one in told(town) if one[1] == Audited.CHANGED] == ["complaint opened", "complaint settled"]


def test_everything_held_is_gathered_and_taken_out(site: Site, town: House) -> None:
    who = person(town, "letter")["customer_id"]
    begun = site.post("olga", f"/customers/{who}/export")
    assert (begun.status_code, begun.headers["location"]) == (303, f"/habitue/customers/{who}/export")
    assert "It is ready" in site.get("olga", f"/customers/{who}/export").text
    file = site.get("olga", f"/customers/{who}/export/file")
    assert json.loads(file.text)["customer_id"] == who
    assert who not in file.headers["content-disposition"]
    assert [one[3] for one in told(town) if one[1] == Audited.EXPORTED] == ["dossier", "dossier file"]


def test_gathering_that_is_under_way_or_came_to_nothing_says_so(site: Site, town: House) -> None:
    who = person(town, "letter")["customer_id"]
    assert "Nothing is gathered" in site.get("olga", f"/customers/{who}/export").text
    begun = town.out / "persons" / f"{who}.begun"
    begun.parent.mkdir(exist_ok=True)
    begun.write_text(now().isoformat())
    page = site.get("olga", f"/customers/{who}/export").text
    assert "It is being gathered" in page
    assert 'http-equiv="refresh"' in page
    begun.write_text((now() - timedelta(hours=2)).isoformat())
    assert "Nothing is gathered" in site.get("olga", f"/customers/{who}/export").text
    assert site.get("olga", f"/customers/{who}/export/file").status_code == 404


def test_an_erasure_asks_for_the_id_and_says_how_far_it_is(site: Site, town: House) -> None:
    who = person(town, "letter")
    name = who["customer_id"]
    assert site.post("olga", f"/customers/{name}/erase", reason="asked", again="other").status_code == 409
    assert site.post("olga", f"/customers/{name}/erase", reason=" ", again=name).status_code == 409
    done = site.post("olga", f"/customers/{name}/erase", reason="asked by letter", again=name)
    assert (done.status_code, done.headers["location"]) == (303, f"/habitue/customers/{name}/erasure")
    kept = row(town, select(erasure).where(erasure.c.customer_id == name))
    assert set(kept["done"]) == set(STEPS)
    assert kept["finished_at"] is not None
    page = unescape(site.get("olga", f"/customers/{name}/erasure").text)
    assert "nothing here names this customer any more" in page
    after = page_of(site, name)
    assert not [part for part in (who["last_name"], who["email"], who["street"]) if part in after]
    assert site.post("olga", "/customers/", looked_for=who["email"]).text.count("<tr>") == 0
    answer = site.post("olga", f"/customers/{name}/consent", channel="email", source="x", wording="x")
    assert "was erased" in unescape(answer.text)
    assert ("olga", Audited.ERASED, name, "asked") in told(town)


def test_an_erasure_that_was_stopped_goes_on(site: Site, town: House) -> None:
    who = person(town, "letter")["customer_id"]
    given = {"customer_id": who, "rule": "asked", "reason": "x", "ordered_by": "olga", "ordered_at": now()}
    with town.engine.begin() as connection:
        connection.execute(insert(erasure).values(given))
    assert "It was stopped: 0 of" in site.get("olga", f"/customers/{who}/erasure").text
    assert site.post("olga", f"/customers/{who}/erase/on").status_code == 303
    assert "Done on" in site.get("olga", f"/customers/{who}/erasure").text


# Problems and the trail -----------------------------------------------------------------------------------------------


def test_problems_are_those_of_the_last_night_each_with_its_rows(site: Site, town: House) -> None:
    snapshot = town.lake.latest()
    assert snapshot is not None
    page = site.get("olga", "/problems/").text
    wanted = [(dataset, rule) for dataset, rules in snapshot.manifest["rejects"].items() for rule in rules]
    assert wanted
    for dataset, rule in wanted:
        assert f"/problems/quarantine/{dataset}/{rule}" in page
        number = snapshot.manifest["rejects"][dataset][rule]
        rows = site.get("olga", f"/problems/quarantine/{dataset}/{rule}", **{"as": "csv"}).text
        assert len(list(csv.reader(io.StringIO(rows), delimiter=";"))) == number + 1
        assert f"of {number}" in site.get("olga", f"/problems/quarantine/{dataset}/{rule}").text
    assert site.get("olga", "/problems/quarantine/customers/nothing").status_code == 404
    assert site.get("olga", "/problems/quarantine/elsewhere/id_missing").status_code == 404


def test_who_is_out_of_reach_is_listed_by_rule(site: Site, town: House) -> None:
    page = site.get("olga", "/problems/").text
    found = re.findall(r'href="/habitue(/problems/reach/(\w+)/(\w+))"', page)
    assert {channel for _, channel, _ in found} == set(Channel)
    for path, channel, rule in found:
        barrier = customer.c[f"{channel}_barrier"]
        with town.engine.connect() as connection:
            ids = connection.scalars(select(customer.c.customer_id).where(barrier == rule, customer.c.gone.is_(None)))
            wanted = set(ids)
        rows = list(
            csv.reader(io.StringIO(site.get("olga", path, **{"as": "csv"}).text.lstrip("\ufeff")), delimiter=";")
        )
        assert {one[0] for one in rows[1:]} == wanted, path
    assert ("olga", Audited.EXPORTED, None, "unreachable") in told(town)


def test_every_rule_has_what_mends_it() -> None:
    from habitue.expectations import DATASETS, contact_rules, load_suite
    from habitue.web.ops.problems import MENDS

    rows = {rule.name for dataset in DATASETS for rule in load_suite(dataset).of("row")}
    assert rows <= set(MENDS)
    barred = {"no_email", "bad_email", "no_phone", "bad_phone", "unknown_timezone", "no_address", "bad_postcode"}
    assert barred <= set(MENDS)
    assert set(MENDS) <= rows | set(contact_rules())


def test_the_trail_tells_who_did_what(site: Site, town: House) -> None:
    who = person(town, "letter")["customer_id"]
    page_of(site, who)
    site.post("olga", "/customers/", looked_for="somebody secret")
    trail = site.get("olga", "/audit/").text
    assert "looked for somebody" in trail
    assert f'href="/habitue/customers/{who}"' in trail
    assert "secret" not in trail
    assert "looked for" not in site.get("olga", "/audit/", customer_id=who, what="viewed").text.split("<tbody>")[1]
    assert "viewed" in site.get("olga", "/audit/", **{"as": "csv"}).text


# Nothing personal where it does not belong, and no text that breaks a page ----------------------------------------


def test_only_ops_see_persons(site: Site, town: House) -> None:
    who = person(town, "letter")["customer_id"]
    for path in ("/customers/", f"/customers/{who}", "/problems/", "/audit/", f"/customers/{who}/confirm/erase"):
        for name in ("marc", "anna", "carl"):
            assert site.get(name, path).status_code == 403, (name, path)
    for path in ("consent", "withdrawal", "complaint", "settled", "export", "erase", "erase/on"):
        assert site.post("marc", f"/customers/{who}/{path}").status_code in (403, 422), path
    assert told(town) == []


def test_no_name_stands_in_an_address_or_a_log(site: Site, town: House, caplog: pytest.LogCaptureFixture) -> None:
    who = person(town, "letter")
    secrets = [who["last_name"], who["email"], who["street"], who["phone"]]
    caplog.set_level(logging.DEBUG)
    pages = [site.post("olga", "/customers/", looked_for=who["last_name"]).text, page_of(site, who["customer_id"])]
    pages += [site.get("olga", f"/customers/{who['customer_id']}/confirm/erase").text]
    for html in pages:
        links = " ".join(re.findall(r'(?:href|action|src|hx-\w+)="([^"]*)"', html))
        assert not [one for one in secrets if one and one in links]
    lines = [one.getMessage() for one in caplog.records if not one.name.startswith(("asyncio", "faker"))]
    assert not [one for one in secrets if one and any(one in line for line in lines)]


NAUGHTY = [
    "'; drop table customer; --", '"><script>alert(1)</script>', "<b>bold</b>", "{{ 7*7 }}{% raw %}", "${7*7}#{x}",
    "=HYPERLINK(\"http://x\")", "@SUM(1)", "\u202eright to left\u202c", "العربية עברית", "👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "Ｆｕｌｌ　ｗｉｄｔｈ", "Z\u0351\u034a\u0369a\u036c\u0357l\u034cg\u0300o", "a" * 2_000, "&amp;&lt;", "%s%n%d{0}{x}",
    "\u200b\ufeff", "../../etc/passwd", "null", "javascript:alert(1)", "line\nbreak\ttab", "O’Brien-D'Œuvre",
]  # fmt: skip
FIELDS = (
    "civility", "first_name", "last_name", "language", "email", "phone", "timezone", "street", "address_extra",
    "postcode", "city", "country", "letter_barrier", "email_barrier", "call_barrier",
)  # fmt: skip


def test_any_text_in_any_field_is_shown_as_it_is(site: Site, town: House) -> None:
    who = person(town, "letter")["customer_id"]
    for text in NAUGHTY:
        shown_as_it_is(site, town, who, text)


def shown_as_it_is(site: Site, town: House, who: str, text: str) -> None:
    shown = dict.fromkeys(FIELDS, text)
    with town.engine.begin() as connection:
        connection.execute(update(customer).where(customer.c.customer_id == who).values(shown))
        connection.execute(delete(consent).where(consent.c.customer_id == who))
        said = {"customer_id": who, "channel": "email", "purpose": "marketing", "status": "granted", "basis": text}
        more = {"recorded_at": now(), "known_at": now(), "source": text, "wording_version": text}
        connection.execute(insert(consent).values({**said, **more}))
    found = site.get("olga", f"/customers/{who}")
    assert found.status_code == 200
    assert "<script>alert" not in found.text
    assert "<b>bold" not in found.text
    assert "49" not in found.text.split("7*7")[-1][:1]
    plain = " ".join(unescape(re.sub(r"<[^>]+>", " ", found.text)).split())
    assert plain.count(" ".join(text.split())) >= 3
    looked = site.post("olga", "/customers/", looked_for=text)
    assert looked.status_code in (200, 303)
    assert "<script>alert" not in looked.text
    assert site.post("olga", f"/customers/{who}/withdrawal", channel="call", source=text[:200]).status_code in (
        303,
        409,
    )
    for kind in ("csv", "xlsx"):
        assert site.get("olga", f"/customers/{who}", **{"list": "consents", "as": kind}).status_code == 200


def test_any_id_has_a_page(site: Site, town: House) -> None:
    for text in ("=1+1", "a'b\"c", "é 😀", "100%", "<i>x", "a?b#c&d"):
        has_a_page(site, town, text)


def has_a_page(site: Site, town: House, text: str) -> None:
    with town.engine.begin() as connection:
        connection.execute(insert(customer).values(customer_id=text, language="fr", snapshot_id="x", last_name="Odd"))
    listed = site.post("olga", "/customers/", looked_for="odd").text
    link = here_url(text)
    assert f'href="/habitue{link}"' in listed
    assert site.get("olga", link).status_code == 200


def here_url(customer_id: str) -> str:
    return f"/customers/{quote(customer_id, safe='')}"


def test_no_two_parts_of_a_page_bear_one_name(site: Site, town: House) -> None:
    page = page_of(site, person(town, "letter")["customer_id"])
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids)), sorted(ids)
