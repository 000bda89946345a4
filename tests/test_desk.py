"""The call desk's pages: one customer at a time, the attempt first, and a call ends in one of the ways of the list."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from httpx import Response
from sqlalchemy import Engine, insert, update

from desk_site import RUN, Desk, attempt_in, call_list, moment, name_of
from habitue.calls import Disposition, Reason
from habitue.kinds import Audited
from habitue.tables import consent, customer
from habitue.web.ops.desk import ENDINGS, KEYS
from people import AT, ON, event

D = Disposition
FRIDAY = ON + timedelta(days=1)
SATURDAY = ON + timedelta(days=2)


@pytest.fixture(autouse=True)
def no_copy_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("habitue.campaigns.Campaign.template_files", lambda self, languages: {"copy": "0"})


@pytest.fixture
def desk(base: Engine, tmp_path: Path) -> Iterator[Desk]:
    call_list(base)
    made = Desk(base, tmp_path)
    yield made
    made.house.engine.dispose()


def plain(answer: Response) -> str:
    """A page with plain spaces and apostrophes."""
    return html.unescape(answer.text).replace("\u00a0", " ").replace("\u202f", " ")


# One customer at a time -------------------------------------------------------------------------------------------


def test_two_agents_who_ask_for_the_next_get_the_two_best(desk: Desk) -> None:
    first, second = desk.next("anna"), desk.next("ben")
    assert [desk.line(one)["rank"] for one in (first, second)] == [1, 2]
    assert desk.next("anna") == first  # what is in hand comes first
    assert "You have a customer in hand" in desk.site.get("anna", "/desk/").text


def test_an_agent_opens_no_card_but_the_one_that_is_theirs(desk: Desk) -> None:
    card, other = desk.next("anna"), desk.next("ben")
    assert "Vasseur 1" in desk.open(card, "anna").text
    for path in (card, other):
        who = "ben" if path == card else "anna"
        for answer in (desk.open(path, who), desk.site.post(who, f"/desk/card/{path}/dial")):
            assert answer.status_code == 409
            assert "Vasseur" not in answer.text
    third = next(str(row["message_id"]) for row in desk.rows("call_line") if row["rank"] == 3)
    assert desk.open(third, "anna").status_code == 409  # nobody's, but not theirs either
    assert desk.open(str(uuid4()), "anna").status_code == 409  # and nothing tells whether there is one
    assert desk.rows("call_attempt") == []


def test_every_view_of_a_card_is_kept(desk: Desk) -> None:
    card = desk.next()
    desk.open(card)
    desk.dial(card)
    seen = desk.rows("audit", what=Audited.VIEWED, said_by="anna")
    assert [(row["customer_id"], row["subject"]) for row in seen] == [
        (name_of(1), one) for one in ("call card", "call number", "call card")
    ]
    desk.open(card, "ben")  # refused
    assert len(desk.rows("audit")) == 3


def test_the_card_says_who_why_they_matter_and_with_what_consent(desk: Desk) -> None:
    page = plain(desk.open(desk.next()))
    for words in ("Boris Vasseur 1", "French", "10:00", "13:00", "Darjeeling de printemps", "€10,000", "Lapsed"):
        assert words in page, words
    assert "2 April 2026" in page  # given on
    assert "till" in page
    assert "Never called before" in page


def test_the_attempt_is_kept_before_the_number_is_shown(desk: Desk) -> None:
    card = desk.next()
    before = desk.open(card).text
    assert "tel:" not in before
    assert "01 99 00 00 01" not in before
    assert desk.rows("call_attempt") == []
    attempt = desk.dial(card)
    (kept,) = desk.rows("call_attempt")
    assert (str(kept["attempt_id"]), kept["agent"], kept["dialled_at"], kept["disposition"]) == (
        attempt,
        "anna",
        AT,
        None,
    )
    after = desk.open(card).text
    assert 'href="tel:+33199000001"' in after
    assert desk.dial(card) == attempt  # pressed twice, it is one


def test_whoever_refused_between_the_card_and_the_telephone_is_not_dialled(desk: Desk) -> None:
    card = desk.next()
    with desk.engine.begin() as connection:
        connection.execute(insert(consent).values(event(name_of(1), "call", "withdrawn", AT, direct=True)))
    answer = desk.site.post("anna", f"/desk/card/{card}/dial")
    assert answer.status_code == 409
    assert "Do not ring" in answer.text
    assert "tel:" not in answer.text
    assert desk.rows("call_attempt") == []


def test_not_now_gives_the_card_back_and_a_page_that_goes_does_too(desk: Desk) -> None:
    card = desk.next("anna")
    assert desk.site.post("anna", f"/desk/card/{card}/release").status_code == 303
    assert desk.next("ben") == card
    assert desk.site.post("ben", f"/desk/card/{card}/release", gone="1").status_code == 204
    assert desk.line(card)["reserved_by"] is None or desk.next("anna") == card


def test_a_page_renews_its_card_and_one_that_lost_it_is_led_home(desk: Desk) -> None:
    card = desk.next("anna")
    for _ in range(4):
        desk.later(seconds=90)
        assert desk.site.post("anna", f"/desk/card/{card}/renew").status_code == 204
    assert desk.next("ben") != card
    desk.later(minutes=5)
    assert desk.next("agent3") == card
    lost = desk.site.post("anna", f"/desk/card/{card}/renew")
    assert lost.headers["hx-redirect"] == "/habitue/desk/"


def test_a_browser_that_dies_before_dialling_gives_its_customer_back_when_the_lease_ends(desk: Desk) -> None:
    card = desk.next("anna")
    assert desk.next("ben") != card
    desk.later(minutes=3)
    assert desk.next("agent3") == card
    assert desk.open(card, "anna").status_code == 409


def test_a_browser_that_dies_in_mid_call_loses_nothing_but_unsaved_notes(desk: Desk) -> None:
    card = desk.next("anna")
    attempt = desk.dial(card)
    desk.later(minutes=1)
    assert desk.next("anna") == card  # another browser, the same agent
    page = desk.open(card).text
    assert attempt_in(page) == attempt
    assert desk.end(card, attempt, "will_visit", notes="vient samedi").status_code == 200
    (kept,) = desk.rows("call_attempt")
    assert (kept["disposition"], kept["notes"]) == ("will_visit", "vient samedi")


def test_a_call_that_nobody_ends_still_counts(desk: Desk) -> None:
    card = desk.next("anna")
    desk.dial(card)
    desk.later(hours=1)
    assert desk.next("ben") != card  # rung an hour ago: not again today
    (kept,) = desk.rows("call_attempt", agent="anna")
    assert kept["disposition"] is None


# The script -------------------------------------------------------------------------------------------------------


def said(page: str) -> str:
    return " ".join(re.findall(r'<p class="say"[^>]*>(.*?)</p>', page))


def test_the_script_follows_the_answers_and_carries_what_was_written(desk: Desk) -> None:
    card = desk.next()
    desk.dial(card)
    path = f"/desk/card/{card}/talk"
    page = desk.site.post("anna", path, step="opening", answer="good_moment", notes="Au calme").text
    assert "éloigner" in said(page)
    assert '<textarea name="notes"' in page
    assert "Au calme" in page
    page = desk.site.post("anna", path, step="question", answer="reason_price", notes="Au calme").text
    assert "20" in said(page)
    assert '<option value="price" selected' in page
    page = desk.site.post("anna", path, step="offer", reason="price", offer_made="1", answer="accepts").text
    assert "Merci" in said(page)
    page = desk.site.post(
        "anna", path, step="goodbye", reason="price", proposed="offer_accepted", answer="rung_off"
    ).text
    assert re.search(r'class="act end first" name="disposition" value="offer_accepted"', page)
    assert desk.rows("call_attempt")[0]["disposition"] is None  # nothing is kept before the end


def test_a_script_of_the_page_gets_the_conversation_alone(desk: Desk) -> None:
    card = desk.next()
    desk.dial(card)
    before = len(desk.rows("audit"))
    headers = {"x-who": "anna", "sec-fetch-site": "same-origin", "hx-request": "true"}
    answer = desk.site.client.post(f"/habitue/desk/card/{card}/talk", headers=headers, data={"answer": "good_moment"})
    assert answer.text.lstrip().startswith("<form")
    assert "<html" not in answer.text
    assert len(desk.rows("audit")) == before  # the same view of the same person


def test_what_is_said_is_in_the_customers_language_and_the_rest_in_the_agents(desk: Desk) -> None:
    page = desk.open(desk.next()).text
    assert "Bonjour" in said(page)
    assert "If it is someone else" in page
    french = desk.open(desk.next(), language="fr").text
    assert "Si c’est une autre personne" in french
    assert "Pourquoi ce client compte" in french


def test_every_ending_stands_on_the_page_once_with_a_key_of_its_own(desk: Desk) -> None:
    listed = [one for _, endings in ENDINGS for one in endings]
    assert sorted(listed) == sorted(Disposition)
    assert len(set(KEYS.values()) | {"n", "t"}) == len(Disposition) + 2
    card = desk.next()
    desk.dial(card)
    page = desk.site.post("anna", f"/desk/card/{card}/talk", step="goodbye", answer="rung_off").text
    assert sorted(re.findall(r'name="disposition" value="(\w+)"', page)) == sorted(Disposition)


# How it ended -----------------------------------------------------------------------------------------------------

DONE = {D.OFFER_ACCEPTED, D.WILL_VISIT, D.REACHED_COURTESY, D.NOT_INTERESTED, D.COMPLAINT, D.MOVED, D.MINOR}
DONE |= {D.DO_NOT_CALL, D.BAD_NUMBER, D.WRONG_PERSON, D.FAX, D.DECEASED}
"""After these nobody of this list rings again."""


@pytest.mark.parametrize("disposition", Disposition)
def test_every_ending_is_kept_with_all_that_follows(desk: Desk, disposition: Disposition) -> None:
    more: dict[str, Any] = moment(FRIDAY, 15) if disposition is D.CALLBACK_AT else {}
    if disposition is D.COMPLAINT:
        more["complaint"] = "thé éventé"
    card = desk.call(disposition, reason=Reason.PRICE, notes="préfère le matin", **more)
    (kept,) = desk.rows("call_attempt")
    assert (kept["disposition"], kept["reason"], kept["notes"]) == (disposition, "price", "préfère le matin")
    assert kept["ended_at"] == AT
    line = desk.line(card)
    assert (line["status"] == "done") == (disposition in DONE), line["status"]
    assert line["disposition"] == disposition
    assert line["reserved_by"] is None
    assert line["callback_at"] == (AT + timedelta(days=1, hours=5) if disposition is D.CALLBACK_AT else None)
    withdrawn = list(desk.rows("consent", channel="call", status="withdrawn"))
    assert bool(withdrawn) == (disposition in (D.DO_NOT_CALL,)), withdrawn
    struck = {row["channel"] for row in desk.rows("suppression")}
    assert ("call" in struck) == (disposition in (D.DO_NOT_CALL, D.BAD_NUMBER, D.WRONG_PERSON, D.FAX)), struck
    holds = {row["reason"] for row in desk.rows("hold")}
    assert holds == {D.COMPLAINT: {"complaint"}, D.DECEASED: {"deceased"}}.get(disposition, set())
    assert len(desk.rows("complaint")) == (disposition is D.COMPLAINT)
    again = desk.next()
    assert again != card


def test_the_page_tells_what_followed_and_offers_the_next(desk: Desk) -> None:
    card = desk.next()
    page = plain(desk.end(card, desk.dial(card), "complaint", complaint="thé éventé"))
    assert "Kept: Complaint" in page
    assert "an answer is promised by 2 October 2026 at 10:00" in page
    assert re.search(r"<button[^>]*autofocus>Next customer", page)
    assert re.search(r"<b>1</b><span>dialled", page)


def test_a_callback_needs_a_moment_and_everything_written_stays(desk: Desk) -> None:
    card = desk.next()
    attempt = desk.dial(card)
    page = desk.end(card, attempt, "callback_at", notes="après le marché", reason="service")
    assert page.status_code == 422
    assert "Say on which day and at what time" in page.text
    assert "après le marché" in page.text
    assert '<option value="service" selected' in page.text
    assert desk.rows("call_attempt")[0]["disposition"] is None
    assert desk.end(card, attempt, "callback_at", **moment(FRIDAY, 11, 30)).status_code == 200
    assert desk.line(card)["callback_at"] == AT + timedelta(days=1, hours=1, minutes=30)
    assert desk.line(card)["owner"] == "anna"


def test_a_callback_outside_the_hours_needs_the_proof_that_it_was_wanted(desk: Desk) -> None:
    card = desk.next()
    attempt = desk.dial(card)
    for wrong in (moment(SATURDAY, 11), moment(FRIDAY, 13, 30), moment(FRIDAY, 20)):
        page = desk.end(card, attempt, "callback_at", **wrong)
        assert page.status_code == 422, wrong
        assert "10:00–13:00, 14:00–20:00" in page.text
        assert 'name="slot_proof"' in page.text
        assert f'value="{wrong["time"]}"' in page.text
    assert desk.rows("call_slot") == []
    proof = "A demandé elle-même samedi 11 h"
    done = desk.end(card, attempt, "callback_at", slot_proof=proof, **moment(SATURDAY, 11))
    assert done.status_code == 200
    assert [row["proof"] for row in desk.rows("call_slot")] == [proof]


def test_a_refusal_that_is_one_of_calls_takes_the_consent_back(desk: Desk) -> None:
    desk.call("not_interested", refuses_calls="1")
    assert [row["status"] for row in desk.rows("consent", customer_id=name_of(1), direct=True)] == ["withdrawn"]
    desk.call("will_visit", refuses_calls="1")  # ticked by mistake: only a refusal refuses
    assert desk.rows("consent", customer_id=name_of(2), direct=True) == []


def test_an_ending_sent_twice_is_kept_once_and_another_one_is_refused(desk: Desk) -> None:
    card = desk.next()
    attempt = desk.dial(card)
    assert desk.end(card, attempt, "will_visit").status_code == 200
    assert desk.end(card, attempt, "will_visit").status_code == 200
    other = desk.end(card, attempt, "deceased")
    assert other.status_code == 409
    assert "ended already" in other.text
    assert [row["disposition"] for row in desk.rows("call_attempt")] == ["will_visit"]
    assert desk.rows("hold") == []


def test_nobody_ends_the_call_of_another(desk: Desk) -> None:
    card = desk.next("anna")
    attempt = desk.dial(card, "anna")
    answer = desk.end(card, attempt, "do_not_call", "ben")
    assert answer.status_code in (404, 409)
    assert desk.rows("call_attempt")[0]["disposition"] is None


@pytest.mark.parametrize(
    "known", [{"attempt": "x"}, {"disposition": "charmed"}, {"notes": "x" * 2001}, {"attempt": ""}]
)
def test_a_form_that_no_page_of_ours_sends_changes_nothing(desk: Desk, known: dict[str, str]) -> None:
    card = desk.next()
    fields = {"attempt": desk.dial(card), "disposition": "will_visit", **known}
    assert desk.site.post("anna", f"/desk/card/{card}/end", **fields).status_code == 422
    assert desk.rows("call_attempt")[0]["disposition"] is None


def test_what_an_agent_types_is_text_on_every_page(desk: Desk) -> None:
    hostile = "<script>alert(1)</script>{{ 7*7 }}"
    card = desk.next()
    attempt = desk.dial(card)
    page = desk.end(card, attempt, "callback_at", notes=hostile).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert desk.end(card, attempt, "complaint", notes=hostile, complaint=hostile).status_code == 200
    for path in (f"/desk/line/{card}", "/desk/complaints"):
        page = desk.site.get("olga", path).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}" in page


def test_an_ending_is_of_its_own_card_and_of_its_own_agent(desk: Desk) -> None:
    card, other = desk.next("anna"), desk.next("ben")
    attempt, theirs = desk.dial(card, "anna"), desk.dial(other, "ben")
    for where, which in ((other, attempt), (card, theirs), (other, theirs), (card, "9" * 19)):
        for disposition in ("no_answer", "callback_at"):
            page = desk.end(where, which, disposition, "anna")
            assert page.status_code in (404, 422), (where, which)
            assert "Vasseur" not in page.text
    assert [row["disposition"] for row in desk.rows("call_attempt")] == [None, None]


def test_a_number_is_kept_as_seen_and_so_is_a_script_that_is_asked_for_alone(desk: Desk) -> None:
    card = desk.next()
    headers = {"x-who": "anna", "sec-fetch-site": "same-origin", "hx-request": "true"}
    assert "Vasseur" in desk.site.client.post(f"/habitue/desk/card/{card}/talk", headers=headers).text
    desk.site.post("anna", f"/desk/card/{card}/dial")
    seen = [(row["customer_id"], row["subject"]) for row in desk.rows("audit", said_by="anna")]
    assert seen == [(name_of(1), "call card"), (name_of(1), "call number")]


def test_what_no_base_can_hold_is_refused_in_a_sentence(desk: Desk) -> None:
    card = desk.next()
    attempt = desk.dial(card)
    assert desk.end(card, attempt, "no_answer", notes="a\0b").status_code == 422
    assert desk.site.get("olga", "/customers/%00").status_code == 422
    assert desk.site.get("olga", "/emails/%00").status_code == 404
    assert desk.rows("call_attempt")[0]["disposition"] is None


# Nobody to ring ---------------------------------------------------------------------------------------------------


def test_at_lunch_the_desk_says_when_it_goes_on(desk: Desk) -> None:
    desk.later(hours=3, minutes=15)  # 13:15 in Paris
    page = plain(desk.site.post("anna", "/desk/next"))
    assert "No one may be rung now" in page
    assert "6 customers are still to be called, the first from 1 October 2026 at 14:00 on" in page
    assert "6 clients restent à appeler" in plain(desk.site.post("anna", "/desk/next", language="fr"))


def test_an_empty_desk_says_how_a_list_comes_to_be(base: Engine, tmp_path: Path) -> None:
    desk = Desk(base, tmp_path)
    for page in (desk.site.get("anna", "/desk/").text, desk.site.post("anna", "/desk/next").text):
        assert "A new one appears here when a campaign with calls is approved" in page
    for path in ("/desk/board", "/desk/outcomes", "/desk/complaints"):
        assert 'class="empty"' in desk.site.get("olga", path).text, path
    desk.house.engine.dispose()


# Roles ------------------------------------------------------------------------------------------------------------


def test_an_agent_sees_the_desk_alone_and_a_manager_nobody(desk: Desk) -> None:
    card = desk.call("complaint", complaint="thé éventé")
    for path in ("/desk/board", "/desk/complaints", "/desk/outcomes", f"/desk/lists/{RUN}", f"/desk/line/{card}"):
        assert desk.site.get("anna", path).status_code == 403, path
    for path in ("/desk/board", "/desk/complaints", f"/desk/lists/{RUN}", f"/desk/card/{card}"):
        assert desk.site.get("marc", path).status_code == 403, path
    assert desk.site.post("marc", "/desk/next").status_code == 403
    assert desk.site.get("marc", "/desk/").headers["location"] == "/habitue/desk/outcomes"
    figures = desk.site.get("marc", "/desk/outcomes").text
    assert "Complaint" in figures
    for private in ("Vasseur", "caller0", "anna", "éventé"):
        assert private not in figures


# Supervisors ------------------------------------------------------------------------------------------------------


def test_the_board_shows_lists_days_and_agents(desk: Desk) -> None:
    desk.call("will_visit", "anna")
    desk.call("no_answer", "ben")
    page = desk.site.get("olga", "/desk/board").text
    assert "Win-back calls" in page
    assert f"/desk/lists/{RUN.replace(':', '%3A')}" in page
    assert re.search(r"<th[^>]*>anna</th><th[^>]*>ben</th>", page)
    assert "<b>1</b>/60" in page


def test_a_list_is_sorted_narrowed_and_taken_out_and_that_is_kept(desk: Desk) -> None:
    desk.call("will_visit", "anna")
    whole = desk.site.get("olga", f"/desk/lists/{RUN}").text
    assert whole.count("Boris Vasseur") == 6
    one = desk.site.get("olga", f"/desk/lists/{RUN}", status="done", agent="anna").text
    assert one.count("Boris Vasseur") == 1
    assert "No line is so" in desk.site.get("olga", f"/desk/lists/{RUN}", disposition="fax").text
    file = desk.site.get("olga", f"/desk/lists/{RUN}", **{"as": "csv"}).content.decode("utf-8-sig")
    assert file.count("Boris Vasseur") == 6
    (out,) = desk.rows("audit", what=Audited.EXPORTED)
    assert (out["subject"], out["people"]) == ("call-list", 6)
    assert desk.site.get("olga", "/desk/lists/none:2026-01-01").status_code == 404


def test_lines_are_given_to_one_agent_and_back(desk: Desk) -> None:
    answer = desk.site.post("olga", f"/desk/lists/{RUN}/assign", most=2, to="ben")
    assert answer.status_code == 303
    assert "2 lines have changed hands" in desk.site.get("olga", f"/desk/lists/{RUN}", moved="2").text
    assert [row["assigned_to"] for row in sorted(desk.rows("call_line"), key=lambda row: row["rank"])[:3]] == [
        "ben",
        "ben",
        None,
    ]
    assert desk.line(desk.next("anna"))["rank"] == 3
    assert desk.line(desk.next("ben"))["rank"] == 1
    desk.site.post("olga", f"/desk/lists/{RUN}/assign", most=10, giver="ben")
    assigned = [row["assigned_to"] for row in desk.rows("call_line") if row["reserved_by"] is None]
    assert assigned == [None] * 4


def test_a_supervisor_takes_a_forgotten_card_out_of_somebodys_hands(desk: Desk) -> None:
    card = desk.next("anna")
    page = desk.site.get("olga", f"/desk/line/{card}").text
    assert "Take it out of the hands of anna" in page
    assert desk.rows("audit", said_by="olga")[0]["customer_id"] == name_of(1)
    assert desk.site.post("olga", f"/desk/line/{card}/release").status_code == 303
    assert desk.next("ben") == card
    desk.site.post("olga", f"/desk/line/{card}/assign", to="anna")
    assert desk.site.get("olga", f"/desk/line/{uuid4()}").status_code == 404


def test_a_complaint_has_an_owner_and_a_promise_and_is_late_when_that_is_broken(desk: Desk) -> None:
    desk.call("complaint", complaint="thé éventé")
    page = desk.site.get("olga", "/desk/complaints").text
    assert "thé éventé" in page
    assert "overdue." not in page
    desk.later(hours=25)
    page = desk.site.get("olga", "/desk/complaints").text
    assert "1 answer is overdue." in page
    (kept,) = desk.rows("complaint")
    path = f"/desk/complaints/{kept['complaint_id']}"
    assert "Boris Vasseur 1" in desk.site.get("olga", path).text
    assert desk.site.post("olga", f"{path}/settle", answer="Remboursé").status_code == 303
    (kept,) = desk.rows("complaint")
    assert (kept["answer"], kept["closed_by"]) == ("Remboursé", "olga")
    assert [row["closed_by"] for row in desk.rows("hold")] == ["olga"]


def test_a_customer_elsewhere_agrees_on_a_time_by_their_own_clock(base: Engine, tmp_path: Path) -> None:
    call_list(base, 1)
    with base.begin() as connection:
        connection.execute(update(customer).values(timezone="Indian/Reunion", country="RE", postcode="97400"))
    desk = Desk(base, tmp_path)
    card = desk.next()  # 10:00 in Paris is noon there
    assert "12:00" in desk.open(card).text
    assert desk.end(card, desk.dial(card), "callback_at", **moment(FRIDAY, 11)).status_code == 200
    assert desk.line(card)["callback_at"].hour == 7  # UTC
    desk.house.engine.dispose()


def test_a_call_that_nobody_ended_has_its_place_among_the_outcomes(desk: Desk) -> None:
    desk.dial(desk.next())
    for who in ("olga", "marc"):
        page = desk.site.get(who, "/desk/outcomes")
        assert page.status_code == 200
        assert "never ended" in page.text


def test_a_look_at_a_list_of_people_is_kept(desk: Desk) -> None:
    desk.call("complaint", complaint="thé éventé")
    desk.site.get("olga", f"/desk/lists/{RUN}")
    desk.site.get("olga", "/desk/complaints")
    seen = [(row["what"], row["subject"], row["people"]) for row in desk.rows("audit", said_by="olga")]
    assert seen == [("viewed", f"call-list {RUN}", 6), ("viewed", "complaints", 1)]


def test_calls_stand_on_the_customers_page_with_what_came_of_them(desk: Desk) -> None:
    desk.call("not_interested", reason=Reason.PRICE)
    page = plain(desk.site.get("olga", f"/customers/{name_of(1)}"))
    assert re.search(r"Not interested[^<]*\(", page)
    file = desk.site.get("olga", f"/customers/{name_of(1)}", **{"list": "sent", "as": "csv"})
    assert len(file.text.splitlines()) == 3


def test_days_of_several_agents_are_summed_for_the_figures() -> None:
    from habitue.call_board import Day
    from habitue.web.ops.desk_board import by_day

    one, other = date(2026, 10, 1), date(2026, 9, 30)
    days = (Day(one, "anna", 60, 9, 4, {}), Day(one, "ben", 60, 1, 1, {}), Day(other, "ben", 60, 2, 0, {}))
    assert by_day(days) == [(other, 60, 2, 0), (one, 120, 10, 5)]
