"""What an agent reads out, step by step: the due opening first, the question, and the answer that fits the reason."""

from __future__ import annotations

from datetime import date
from itertools import product
from typing import Any

import pytest

from habitue.calls import ANSWERS, OBJECTIONS, CallScript, Disposition, Reason
from habitue.conversations import Passage, Place, Step, objections, passage
from habitue.shop import Language, load_shop

SHOP = load_shop()
BORIS: dict[str, Any] = {
    "customer": {"civility": "M", "first_name": "Boris", "last_name": "Vasseur", "name": "Boris Vasseur"},
    "facts": {"last_purchase": date(2024, 11, 3), "favourite": "Darjeeling", "purchases": 12, "this_year": 0},
    "offer": {"code": "7K3MQ-9XFT2", "text": "20 € de moins.", "valid_until": date(2026, 12, 30)},
}


def read(block: str, language: Language = "fr", agent: Language = "fr", **changes: Any) -> Passage:
    beside = CallScript.load("winback", agent, SHOP)
    script = CallScript.load("winback", language, SHOP)
    told = passage(script, block, {**BORIS, **changes}, language=language, beside=beside, agent=agent)
    assert told is not None
    return told


def said(told: Passage) -> str:
    return " ".join(part.text for line in told.lines for part in line if part.said)


def directed(told: Passage) -> str:
    return " ".join(part.text for line in told.lines for part in line if not part.said)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_identity_on_whose_behalf_and_the_commercial_nature_are_said_first(language: Language) -> None:
    """L. 221-16 C. conso; whoever comes to the desk starts here, whatever a form said."""
    assert Place.of("nowhere", "nothing", "else") == Place(Step.OPENING)
    opening = said(read("opening", language))
    order = [opening.index(words) for words in ("[", "Maison Tilleul", {"fr": "commercial", "en": "sales"}[language])]
    assert order == sorted(order)
    assert "Boris Vasseur" in opening


def test_what_is_said_is_in_boris_language_and_what_is_to_be_done_in_the_agents() -> None:
    told = read("opening", language="en", agent="fr")
    assert told.heading == "1 · SE PRÉSENTER"
    assert "This is a sales call" in said(told)
    assert "Si c’est une autre personne" in directed(told)
    assert "Bonjour" not in said(told)


@pytest.mark.parametrize(("language", "facts"), list(product(["fr", "en"], [BORIS["facts"], None])))
def test_the_two_languages_are_built_alike_so_that_directions_can_be_exchanged(language: Language, facts: Any) -> None:
    other: Language = "en" if language == "fr" else "fr"
    for block in CallScript.load("winback", language, SHOP).blocks:
        mixed = read(block, language, other, facts=facts)
        assert said(mixed) == said(read(block, language, language, facts=facts))
        assert directed(mixed) == directed(read(block, other, other, facts=facts)), block


def test_a_customer_whose_data_hold_quotation_marks_is_read_out_whole() -> None:
    for mark in ("«", "»", "« »", "“", "”"):
        name = f"Bo{mark}ris"
        for language in ("fr", "en"):
            told = read("opening", language, customer={"name": name})  # type: ignore[arg-type]
            assert name in said(told) + directed(told)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_gets_its_answer(reason: Reason) -> None:
    place = Place().after("good_moment").after(f"reason_{reason}")
    assert (place.step, place.reason) == (Step.OFFER, reason)
    words = said(read(place.block))
    kinds = {answer.proposes for answer in place.answers()}
    assert Disposition.COMPLAINT in kinds
    if reason in (Reason.SERVICE, Reason.QUALITY):
        assert "20 €" not in words
        assert place.answers()[0].proposes is Disposition.COMPLAINT
        assert Disposition.OFFER_ACCEPTED not in kinds
    else:
        assert "20 € de moins." in words
        assert "7K3MQ-9XFT2" in words


def test_a_refusal_may_come_at_any_moment_and_asks_nothing_more() -> None:
    places = [Place(), Place(Step.QUESTION), Place(Step.OFFER, Reason.PRICE), Place(Step.GOODBYE)]
    for place in places:
        refused = place.after("no_calls")
        assert (refused.step, refused.proposed) == (Step.REFUSAL, Disposition.DO_NOT_CALL)
        assert refused.reason is place.reason
        assert refused.after("rung_off").proposed is Disposition.DO_NOT_CALL
    assert "?" not in said(read("refusal"))


def test_every_way_through_a_conversation_ends_with_a_proposal_and_without_a_loop() -> None:
    seen, ends = set(), set()

    def walk(place: Place, depth: int) -> None:
        assert depth < 8
        seen.add(place.block)
        if place.step is Step.ENDING:
            ends.add(place.proposed)
            return
        assert place.answers()
        for answer in place.answers():
            walk(place.after(answer.name), depth + 1)

    walk(Place(), 0)
    assert None not in ends
    assert {"opening", "question", *ANSWERS, "goodbye", "refusal", "ending"} <= seen
    assert {Disposition.CALLBACK_AT, Disposition.WRONG_PERSON, Disposition.DO_NOT_CALL, Disposition.COMPLAINT} < ends


def test_an_answer_that_nobody_gives_here_leads_nowhere() -> None:
    assert Place().after("accepts") == Place()
    assert Place(Step.OFFER, Reason.QUALITY).after("accepts") == Place(Step.OFFER, Reason.QUALITY)


def test_a_script_without_answers_of_its_own_gives_the_general_offer() -> None:
    class Plain(CallScript):
        @property
        def blocks(self) -> tuple[str, ...]:
            return ("opening", "question", "offer", "goodbye", "refusal")

    whole = CallScript.load("winback", "fr", SHOP)
    plain = Plain(whole._copy, whole._shop)
    told = passage(plain, "offer_price", BORIS, language="fr", beside=None, agent="fr")
    assert told is not None
    assert "20 € de moins." in said(told)
    assert passage(plain, "objection_time", BORIS, language="fr", beside=None, agent="fr") is None


@pytest.mark.parametrize("language", ["fr", "en"])
def test_objections_have_a_heading_and_something_to_say(language: Language) -> None:
    script = CallScript.load("winback", language, SHOP)
    told = list(objections(script, BORIS, language=language, beside=None, agent=language))
    assert len(told) == len(OBJECTIONS)
    assert all(one.heading and said(one) for one in told)
