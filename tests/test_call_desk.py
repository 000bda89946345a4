"""The call desk: who is given to whom, what is dialled, and what follows from how it ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text, update

from call_town import NAMES, PARIS, RUN, TEN, given, house, id_of, line, rung
from habitue import call_board, call_desk, call_lists, complaints, controls, holds
from habitue.call_desk import CallError, Dialled, Refusal, agree_slot, dial, finish, next_card, release, renew, waiting
from habitue.call_endings import Ending
from habitue.house import House
from habitue.kinds import Disposition, Hold, LineStatus, Reason
from habitue.tables import (
    call_attempt,
    complaint,
    consent,
    customer,
    hold,
    message,
    outcome,
    segment,
    suppression,
    targeted_offer,
)
from people import ON, event

__all__ = ["house"]

NOON = datetime(2026, 10, 1, 12, 0, tzinfo=PARIS)


def rows(house: House, table: Any, **where: Any) -> list[Any]:
    asked = select(table).where(*(table.c[name] == value for name, value in where.items()))
    with house.engine.connect() as connection:
        return list(connection.execute(asked).all())


# Who is given to whom


def test_the_best_customer_comes_first_with_all_that_must_be_known(house: House) -> None:
    card = given(house)
    assert (card.customer_id, card.rank, card.run_id) == ("anna", 1, RUN)
    assert (card.phone, card.dial, card.language) == ("+33199000000", "01 99 00 00 00", "fr")
    assert (card.timezone, card.local_time.hour) == ("Europe/Paris", 10)
    assert card.closes == datetime(2026, 10, 1, 13, 0, tzinfo=PARIS)
    assert (card.favourites, card.facts["favourite"]) == (("Thé noir de Ceylan",), "Thé noir de Ceylan")
    assert card.consent
    assert (card.consent.status, str(card.consent.until)) == ("granted", "2027-04-02")
    assert (card.attempts_left, card.attempts, card.contacts, card.complaints) == (4, (), (), ())
    assert card.reserved_until == TEN + call_desk.LEASE


def test_two_agents_never_get_the_same_customer(house: House) -> None:
    found = [given(house, agent).customer_id for agent in ("zoe", "yann", "xena", "will", "vera")]
    assert found == list(NAMES)
    assert next_card(house, "ugo", TEN) is None


def test_an_agent_whose_tab_comes_back_gets_the_same_card(house: House) -> None:
    assert given(house).customer_id == given(house, at=TEN + timedelta(minutes=1)).customer_id == "anna"


def test_a_lease_that_is_not_renewed_runs_out(house: House) -> None:
    card = given(house)
    assert renew(house, card.message_id, "zoe", TEN + timedelta(minutes=1)) == TEN + timedelta(minutes=3)
    late = TEN + timedelta(minutes=4)
    assert given(house, "yann", late).customer_id == "anna"
    with pytest.raises(CallError, match="not reserved"):
        renew(house, card.message_id, "zoe", late)
    with pytest.raises(CallError, match="not reserved"):
        dial(house, card.message_id, "zoe", late)


def test_a_released_customer_is_there_for_the_next_agent(house: House) -> None:
    card = given(house)
    assert release(house, card.message_id, "zoe", TEN)
    assert not release(house, card.message_id, "zoe", TEN)
    assert given(house, "yann").customer_id == "anna"


def test_people_who_share_a_telephone_are_not_rung_at_once(house: House) -> None:
    with house.engine.begin() as connection:
        same = select(customer.c.phone_mark, customer.c.phone).where(customer.c.customer_id == "anna").subquery()
        both = update(customer).where(customer.c.customer_id == "boris")
        connection.execute(
            both.values(
                phone=select(same.c.phone).scalar_subquery(), phone_mark=select(same.c.phone_mark).scalar_subquery()
            )
        )
    assert given(house, "zoe").customer_id == "anna"
    assert given(house, "yann").customer_id == "clara"


def test_lines_of_one_agent_are_theirs_and_come_first(house: House) -> None:
    assert call_board.assign(house, [id_of(house, "emma")], "yann", at=TEN) == 1
    assert given(house, "yann").customer_id == "emma"
    assert [given(house, agent).customer_id for agent in ("a", "b", "c", "d")] == list(NAMES[:4])
    assert next_card(house, "e", TEN) is None


def test_nobody_is_given_outside_the_hours_and_the_desk_says_when_it_opens(house: House) -> None:
    at = datetime(2026, 10, 1, 13, 0, tzinfo=PARIS)
    assert next_card(house, "zoe", at) is None
    found = waiting(house, "zoe", at)
    assert (found.waiting, found.reserved, found.opens) == (5, 0, datetime(2026, 10, 1, 14, 0, tzinfo=PARIS))
    friday_evening = datetime(2026, 10, 2, 20, 0, tzinfo=PARIS)
    assert waiting(house, "zoe", friday_evening).opens == datetime(2026, 10, 5, 10, 0, tzinfo=PARIS)


def test_the_kill_switch_and_a_pause_keep_every_card_back(house: House) -> None:
    controls.stop_all(house.engine, by="ops", reason="x", at=TEN)
    assert next_card(house, "zoe", TEN) is None
    controls.go(house.engine, by="ops", at=TEN)
    card = given(house)
    controls.pause(house.engine, RUN, by="ops", reason="x", at=TEN)
    assert dial(house, card.message_id, "zoe", TEN) == Refusal("paused")


# What is dialled


def test_an_attempt_is_written_down_before_the_telephone_rings(house: House) -> None:
    card = given(house)
    made = dial(house, card.message_id, "zoe", TEN)
    assert isinstance(made, Dialled)
    assert dial(house, card.message_id, "zoe", TEN) == Dialled(made.attempt_id, made.phone, again=True)
    [kept] = rows(house, call_attempt)
    assert (kept.agent, kept.source, kept.band, kept.ended_at) == ("zoe", "desk", "morning", None)


@pytest.mark.parametrize(
    ("what", "barrier"),
    [
        ("consent", "objected"),
        ("complaint", "complaint_open"),
        ("noon", "outside_hours"),
        ("gone", "gone"),
        ("attempts", "attempts_used"),
    ],
)
def test_the_law_is_asked_once_more_when_the_number_is_dialled(house: House, what: str, barrier: str) -> None:
    at = TEN if what != "noon" else datetime(2026, 10, 1, 13, 0, tzinfo=PARIS)
    card = given(house, at=at - timedelta(minutes=what == "noon"))
    with house.engine.begin() as connection:
        if what == "consent":
            connection.execute(
                insert(consent), [event("anna", "call", "withdrawn", TEN - timedelta(minutes=1), direct=True)]
            )
        if what == "gone":
            connection.execute(update(customer).where(customer.c.customer_id == "anna").values(gone="x"))
        if what == "attempts":
            mark = connection.scalar(select(customer.c.phone_mark).where(customer.c.customer_id == "anna"))
            connection.execute(
                insert(call_attempt), [_elsewhere(mark, TEN - timedelta(days=days)) for days in (1, 2, 3, 29)]
            )
    if what == "complaint":
        holds.open_hold(house.engine, "anna", Hold.COMPLAINT, by="ops", at=TEN)
    found = dial(house, card.message_id, "zoe", at)
    assert isinstance(found, Refusal)
    assert found.barrier == barrier
    assert [one for one in rows(house, call_attempt) if one.run_id == RUN] == []
    assert line(house, "anna").reserved_by is None


def _elsewhere(mark: bytes, at: datetime) -> dict[str, Any]:
    """Somebody of another number in our data was rung by the same telephone number, from another list."""
    known = {"message_id": "00000000-0000-0000-0000-000000000001", "run_id": "autumn:2026-09-01", "customer_id": "anne"}
    told = {"agent": "yann", "dialled_at": at, "recorded_at": at, "ended_at": at, "disposition": "no_answer"}
    return known | told | {"phone_mark": mark, "mark_key": "x", "source": "desk", "band": "morning"}


def test_who_may_never_be_called_leaves_the_list_and_the_ledger_knows(house: House) -> None:
    with house.engine.begin() as connection:
        connection.execute(insert(consent), [event("anna", "call", "withdrawn", TEN, direct=True)])
    assert given(house).customer_id == "boris"
    assert (line(house, "anna").status, line(house, "anna").reason) == (LineStatus.CLOSED, "objected")
    [sent] = rows(house, message, customer_id="anna")
    assert (sent.state, sent.reason) == ("cancelled", "objected")


def test_a_call_whose_browser_died_counts_and_can_be_finished_later(house: House) -> None:
    card = given(house)
    made = dial(house, card.message_id, "zoe", TEN)
    assert isinstance(made, Dialled)
    later = TEN + timedelta(minutes=30)
    assert given(house, "yann", later).customer_id == "boris"
    [kept] = rows(house, call_attempt)
    assert (kept.ended_at, kept.disposition) == (TEN + call_desk.LEASE, None)
    assert line(house, "anna").attempts == 1
    done = finish(house, made.attempt_id, "zoe", Ending(Disposition.WILL_VISIT, notes="Samedi"), later)
    assert done.consequences == ("list_done",)
    assert line(house, "anna").status == LineStatus.DONE
    [kept] = rows(house, call_attempt)
    assert (kept.disposition, kept.notes) == ("will_visit", "Samedi")


def test_a_call_that_nobody_finishes_is_tried_again_the_day_after(house: House) -> None:
    card = given(house)
    dial(house, card.message_id, "zoe", TEN)
    call_lists.expire(house, TEN + timedelta(hours=1))
    assert line(house, "anna").not_before == TEN + call_desk.LEASE + timedelta(days=1)


def test_the_same_ending_is_kept_once_and_another_one_is_refused(house: House) -> None:
    card = given(house)
    made = dial(house, card.message_id, "zoe", TEN)
    assert isinstance(made, Dialled)
    ending = Ending(Disposition.COMPLAINT, complaint="Thé éventé")
    finish(house, made.attempt_id, "zoe", ending, TEN + timedelta(minutes=1))
    assert finish(house, made.attempt_id, "zoe", ending, TEN + timedelta(minutes=2)).consequences == ()
    assert len(rows(house, complaint)) == 1
    with pytest.raises(CallError, match="stays so"):
        finish(house, made.attempt_id, "zoe", Ending(Disposition.BUSY), TEN + timedelta(minutes=3))
    with pytest.raises(CallError, match="no such call of yours"):
        finish(house, made.attempt_id, "yann", ending, TEN)


# What follows


@pytest.mark.parametrize(
    ("how", "again"),
    [
        (Disposition.NO_ANSWER, TEN + timedelta(days=1, minutes=1)),
        (Disposition.VOICEMAIL_LEFT, TEN + timedelta(days=1, minutes=1)),
        (Disposition.VOICEMAIL_NOMSG, TEN + timedelta(days=1, minutes=1)),
        (Disposition.BUSY, TEN + timedelta(minutes=31)),
        (Disposition.TECH_FAILURE, TEN + timedelta(minutes=31)),
        (Disposition.CALLBACK_LATER, TEN + timedelta(days=1, minutes=1)),
        (Disposition.LANGUAGE, TEN + timedelta(days=1, minutes=1)),
    ],
)
def test_who_was_not_spoken_to_is_tried_again_later(house: House, how: Disposition, again: datetime) -> None:
    _, done = rung(house, how)
    assert (done.consequences, done.next_at) == (("call_again",), again)
    assert line(house, "anna").status == LineStatus.OPEN


def test_who_did_not_answer_in_the_morning_is_tried_in_the_afternoon(house: House) -> None:
    rung(house, Disposition.NO_ANSWER)
    friday = TEN + timedelta(days=1, minutes=5)
    assert given(house, at=friday).customer_id == "boris"
    release(house, id_of(house, "boris"), "zoe", friday)
    assert given(house, at=friday + timedelta(hours=5)).customer_id == "anna"


def test_no_common_language_is_for_another_agent(house: House) -> None:
    rung(house, Disposition.LANGUAGE)
    friday = datetime(2026, 10, 2, 15, 0, tzinfo=PARIS)
    assert given(house, "zoe", friday).customer_id == "boris"
    assert given(house, "yann", friday).customer_id == "anna"


def test_after_the_fourth_attempt_nobody_is_rung_and_the_list_gives_them_up(house: House) -> None:
    at = TEN
    for day in range(4):
        at = TEN + timedelta(days=(0, 1, 4, 6)[day], hours=(0, 5, 8, 0)[day])
        with house.engine.begin() as connection:
            others = update(call_desk.call_line).where(call_desk.call_line.c.customer_id != "anna")
            connection.execute(others.values(not_before=at + timedelta(days=20)))
        card, done = rung(house, Disposition.NO_ANSWER, at=at)
        assert card.customer_id == "anna"
    assert (done.consequences, done.next_at) == (("list_done",), None)
    assert line(house, "anna").status == LineStatus.NOT_REACHED
    assert [one.kind for one in rows(house, outcome)] == ["not_reached"]


def test_a_refusal_by_word_of_mouth_takes_the_consent_back(house: House) -> None:
    for name, said in (
        ("anna", Ending(Disposition.DO_NOT_CALL)),
        ("boris", Ending(Disposition.NOT_INTERESTED, refuses_calls=True)),
    ):
        card = given(house)
        made = dial(house, card.message_id, "zoe", TEN)
        assert isinstance(made, Dialled)
        done = finish(house, made.attempt_id, "zoe", said, TEN + timedelta(minutes=1))
        assert done.consequences == ("consent_withdrawn", "number_suppressed", "list_done")
        [told] = rows(house, consent, customer_id=name, status="withdrawn")
        assert (told.channel, told.source, told.direct) == ("call", "call:zoe", True)
    assert {one.reason for one in rows(house, suppression)} == {"refused_calls"}


def test_who_is_not_interested_may_be_called_another_year(house: House) -> None:
    _, done = rung(house, Disposition.NOT_INTERESTED)
    assert done.consequences == ("list_done",)
    assert rows(house, consent, status="withdrawn") == []
    assert [one.kind for one in rows(house, outcome)] == ["reached"]


def test_a_complaint_has_an_owner_and_a_day_and_stops_all_selling_until_it_is_closed(house: House) -> None:
    _, done = rung(house, Disposition.COMPLAINT, complaint="Thé éventé", complaint_owner="helene")
    assert done.complaint_due == TEN + timedelta(hours=24, minutes=1)
    [kept] = complaints.still_open(house.engine)
    assert (kept.customer_id, kept.owner, kept.about, kept.due_at) == (
        "anna",
        "helene",
        "Thé éventé",
        done.complaint_due,
    )
    [held] = rows(house, hold)
    assert (held.reason, held.closed_at) == ("complaint", None)
    assert call_board.board(house, TEN + timedelta(days=2)).complaints_late == 1
    assert complaints.settle(house.engine, kept.complaint_id, answer="Remboursé", by="helene", at=NOON)
    assert not complaints.settle(house.engine, kept.complaint_id, answer="Remboursé", by="helene", at=NOON)
    assert rows(house, hold)[0].closed_at == NOON


def test_a_purchase_ends_the_win_back_also_of_who_is_on_a_list_already(house: House) -> None:
    """Anna bought since the list was made; Boris the day before, which the night told late."""
    with house.engine.begin() as connection:
        connection.execute(text("update run set settings = settings || '{\"until_purchase\": true}'"))
        for who, day in (("anna", ON), ("boris", ON - timedelta(days=1))):
            told = {"last_day": day, "snapshot_id": (ON + timedelta(days=1)).isoformat()}
            connection.execute(update(segment).where(segment.c.customer_id == who).values(told))
    assert given(house).customer_id == "boris"
    ended = line(house, "anna")
    assert (ended.status, ended.reason) == ("closed", "bought_since")
    [never] = [row for row in rows(house, message) if row.customer_id == "anna"]
    assert (never.state, never.reason) == ("cancelled", "bought_since")


def test_who_releases_the_hold_by_hand_closes_the_complaint(house: House) -> None:
    rung(house, Disposition.COMPLAINT)
    holds.close_hold(house.engine, "anna", Hold.COMPLAINT, by="ops", at=NOON)
    assert complaints.still_open(house.engine) == []


@pytest.mark.parametrize("how", [Disposition.BAD_NUMBER, Disposition.WRONG_PERSON, Disposition.FAX])
def test_a_number_that_leads_nowhere_is_struck_off(house: House, how: Disposition) -> None:
    _, done = rung(house, how)
    assert done.consequences == ("number_struck_off", "list_done")
    [one] = rows(house, suppression)
    assert (one.channel, one.reason, one.source) == ("call", "bad_number", "desk")
    assert [told.kind for told in rows(house, outcome)] == ["not_reached"]


def test_who_has_moved_gets_no_letter_at_the_old_address_and_the_offer_that_answers(house: House) -> None:
    _, done = rung(house, Disposition.MOVED)
    assert done.consequences == ("address_struck_off", "offer_queued", "list_done")
    [one] = rows(house, suppression)
    assert (one.channel, one.reason) == ("letter", "moved")
    [queued] = rows(house, targeted_offer)
    assert (queued.customer_id, queued.reason, queued.campaign) == ("anna", "moved", "offer_delivery")


def test_of_the_dead_nothing_is_asked_any_more(house: House) -> None:
    _, done = rung(house, Disposition.DECEASED)
    assert done.consequences == ("deceased_noted", "list_done")
    [held] = rows(house, hold)
    assert (held.customer_id, held.reason) == ("anna", "deceased")


def test_a_minor_is_left_alone_by_this_list(house: House) -> None:
    _, done = rung(house, Disposition.MINOR)
    assert done.consequences == ("list_done",)


@pytest.mark.parametrize(
    ("said", "queued"),
    [
        ({"reason": Reason.PRICE}, [("price", "offer_price", "email")]),
        ({"reason": Reason.ASSORTMENT}, [("assortment", "offer_choice", "letter")]),
        ({"reason": Reason.SERVICE}, []),
        ({"reason": Reason.PRICE, "offer_made": True}, []),
        ({}, []),
    ],
)
def test_a_reason_is_answered_by_the_offer_that_fits(house: House, said: dict[str, Any], queued: list[Any]) -> None:
    rung(house, Disposition.REACHED_COURTESY, **said)
    found = [(one.reason, one.campaign, one.channel) for one in rows(house, targeted_offer)]
    assert found == queued


# Callbacks


def test_an_agreed_callback_comes_first_when_its_minute_comes_and_to_who_agreed_it(house: House) -> None:
    agreed = datetime(2026, 10, 1, 15, 0, tzinfo=PARIS)
    _, done = rung(house, Disposition.CALLBACK_AT, callback=agreed)
    assert (done.consequences, done.next_at) == (("callback",), agreed)
    assert given(house, "zoe", agreed - timedelta(minutes=1)).customer_id == "boris"
    release(house, id_of(house, "boris"), "zoe", agreed - timedelta(minutes=1))
    assert given(house, "yann", agreed).customer_id == "boris"
    assert given(house, "zoe", agreed).customer_id == "anna"


def test_after_a_quarter_of_an_hour_anybody_may_keep_it(house: House) -> None:
    agreed = datetime(2026, 10, 1, 15, 0, tzinfo=PARIS)
    rung(house, Disposition.CALLBACK_AT, callback=agreed)
    assert given(house, "yann", agreed + timedelta(minutes=15)).customer_id == "anna"


def test_a_callback_outside_the_hours_needs_the_customers_own_word(house: House) -> None:
    saturday = datetime(2026, 10, 3, 9, 30, tzinfo=PARIS)
    card = given(house)
    made = dial(house, card.message_id, "zoe", TEN)
    assert isinstance(made, Dialled)
    for callback in (None, TEN - timedelta(days=1)):
        with pytest.raises(CallError, match="needs its day and time"):
            finish(house, made.attempt_id, "zoe", Ending(Disposition.CALLBACK_AT, callback=callback), TEN)
    with pytest.raises(CallError, match=r"closed_weekday, D\. 223-9"):
        finish(house, made.attempt_id, "zoe", Ending(Disposition.CALLBACK_AT, callback=saturday), TEN)
    proven = Ending(Disposition.CALLBACK_AT, callback=saturday, slot_proof="Rappelez-moi samedi à 9 h 30, dit-elle")
    assert finish(house, made.attempt_id, "zoe", proven, TEN).consequences == ("callback", "slot_kept")
    assert next_card(house, "yann", saturday) is None
    card = given(house, "zoe", saturday)
    assert (card.customer_id, card.callback_at, card.closes) == ("anna", saturday, saturday + timedelta(minutes=30))
    assert isinstance(dial(house, card.message_id, "zoe", saturday), Dialled)


def test_an_agreed_moment_is_kept_though_the_list_ends_before(house: House) -> None:
    agreed = datetime(2026, 10, 20, 10, 0, tzinfo=PARIS)
    rung(house, Disposition.CALLBACK_AT, callback=agreed)
    call_lists.expire(house, datetime(2026, 10, 12, tzinfo=PARIS))
    assert given(house, "zoe", agreed).customer_id == "anna"


def test_a_moment_agreed_in_the_shop_is_kept_by_whoever_is_there(house: House) -> None:
    saturday = datetime(2026, 10, 3, 9, 30, tzinfo=PARIS)
    agree_slot(house, "clara", saturday, by="helene", proof="Demandé au comptoir", at=TEN)
    assert given(house, "yann", saturday).customer_id == "clara"
    with pytest.raises(CallError, match="say how"):
        agree_slot(house, "clara", saturday, by="helene", proof=" ", at=TEN)


# The list ends


def test_a_list_that_ends_releases_whom_nobody_rang_and_says_who_was_not_reached(house: House) -> None:
    rung(house, Disposition.NO_ANSWER)
    rung(house, Disposition.WILL_VISIT)
    end = datetime(2026, 10, 11, tzinfo=PARIS)
    assert call_lists.expire(house, end - timedelta(seconds=1)) == {"not_reached": 0, "released": 0}
    assert call_lists.expire(house, end) == {"not_reached": 1, "released": 3}
    assert call_lists.expire(house, end) == {"not_reached": 0, "released": 0}
    told = {one.customer_id: (one.state, one.reason) for one in rows(house, message)}
    assert told == {
        "anna": ("accepted", None),
        "boris": ("accepted", None),
        **dict.fromkeys(("clara", "david", "emma"), ("cancelled", "released")),
    }
    with house.engine.connect() as connection:
        counted = dict(connection.execute(select(outcome.c.kind, func.count()).group_by(outcome.c.kind)).all())  # type: ignore[arg-type]
    assert counted == {"not_reached": 1, "reached": 1, "released": 3}
    [state] = call_board.board(house, end).lists
    assert (state.total, state.open, state.done, state.not_reached, state.released) == (5, 0, 1, 1, 3)
    assert next_card(house, "zoe", end + timedelta(days=1, hours=11)) is None


# The board


def test_the_board_counts_days_agents_outcomes_and_reasons(house: House) -> None:
    rung(house, Disposition.NO_ANSWER)
    rung(house, Disposition.REACHED_COURTESY, reason=Reason.PRICE)
    rung(house, Disposition.NOT_INTERESTED, agent="yann", reason=Reason.SERVICE)
    card = given(house, "zoe")
    dial(house, card.message_id, "zoe", TEN)
    found = call_board.board(house, TEN)
    [state] = found.lists
    assert (state.total, state.open, state.reserved, state.done) == (5, 3, 1, 2)
    assert (state.attempts, state.reached, state.unlawful, state.title) == (4, 2, 0, {"fr": "Printemps"})
    assert {day.agent: (day.attempts, day.reached, day.capacity) for day in found.days} == {
        "yann": (1, 1, 60),
        "zoe": (3, 1, 60),
    }
    assert found.reasons == {"price": 1, "service": 1}
    assert found.outcomes == {"no_answer": 1, "reached_courtesy": 1, "not_interested": 1, "unfinished": 1}
    told, total = call_board.lines(house, TEN, run_id=RUN, status="open", most=2)
    assert ([one.customer_id for one in told], total) == (["anna", "david"], 3)
    assert told[1].reserved_by == "zoe"
