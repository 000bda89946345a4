"""The call desk, for who rings: *Next* gives one customer; then dialling, the script, and how the call ended.

    /desk/                  my day, and Next
    /desk/card/{id}         the one card that is reserved for who asks; every view is audited
      /dial                 writes the attempt down, and only then shows the number
      /talk                 the script's next step, by the answer that was given
      /end                  how it ended, and what follows
      /renew, /release      the lease: a page renews it, and gives it back when its tab is gone

Nothing is kept of a conversation before it has ended: the form carries where it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Header, HTTPException
from fastapi.responses import RedirectResponse, Response

from habitue import call_cards, call_desk, calling
from habitue.call_cards import Card
from habitue.call_desk import CallError, Refusal
from habitue.call_endings import Ending
from habitue.calls import FOLDER, CallScript, Disposition, Reason, read_words, shop_words
from habitue.conversations import APOLOGIES, Answer, Place, Step, objections, passage
from habitue.kinds import Audited
from habitue.settings import Language
from habitue.shop import Shop
from habitue.statements import statement
from habitue.texts import load_text
from habitue.web.ops.shell import EVERYBODY, Here, Role, Visit, allowed, page
from habitue.web.pages import Page, same_origin

routes = APIRouter(route_class=Page)
AGENTS = allowed(Role.OPS, Role.AGENT)
WRITES = [AGENTS, Depends(same_origin)]

ENDINGS: tuple[tuple[str, tuple[Disposition, ...]], ...] = (
    (
        "nobody",
        (
            Disposition.NO_ANSWER,
            Disposition.BUSY,
            Disposition.VOICEMAIL_NOMSG,
            Disposition.VOICEMAIL_LEFT,
            Disposition.TECH_FAILURE,
        ),
    ),
    (
        "spoken",
        (
            Disposition.OFFER_ACCEPTED,
            Disposition.WILL_VISIT,
            Disposition.REACHED_COURTESY,
            Disposition.NOT_INTERESTED,
            Disposition.CALLBACK_LATER,
            Disposition.MOVED,
            Disposition.LANGUAGE,
        ),
    ),
    ("callback", (Disposition.CALLBACK_AT,)),
    ("complaint", (Disposition.COMPLAINT,)),
    ("stop", (Disposition.DO_NOT_CALL, Disposition.DECEASED)),
    (
        "number",
        (Disposition.BAD_NUMBER, Disposition.FAX, Disposition.WRONG_PERSON, Disposition.MINOR),
    ),
)
"""How a call may have ended, in the order and the parts in which the page shows it."""
KEYS = {
    Disposition.NO_ANSWER: "1",
    Disposition.BUSY: "2",
    Disposition.VOICEMAIL_NOMSG: "3",
    Disposition.VOICEMAIL_LEFT: "4",
    Disposition.TECH_FAILURE: "5",
    Disposition.OFFER_ACCEPTED: "a",
    Disposition.WILL_VISIT: "v",
    Disposition.REACHED_COURTESY: "c",
    Disposition.NOT_INTERESTED: "i",
    Disposition.CALLBACK_LATER: "l",
    Disposition.MOVED: "m",
    Disposition.LANGUAGE: "g",
    Disposition.CALLBACK_AT: "r",
    Disposition.COMPLAINT: "p",
    Disposition.DO_NOT_CALL: "x",
    Disposition.DECEASED: "d",
    Disposition.BAD_NUMBER: "6",
    Disposition.FAX: "7",
    Disposition.WRONG_PERSON: "8",
    Disposition.MINOR: "9",
}
"""The access key of each: with the browser's modifier (Alt, or Alt and Shift) it ends the call."""
NEXT_KEY, DIAL_KEY = "n", "t"
GONE = {"not_reserved": 409, "already_finished": 409, "not_dialled": 409, "unknown_call": 404}
LONGEST = 2_000
"""Characters of notes, of what a complaint is about, of how a moment was agreed."""


@cache
def call_words(language: Language) -> dict[str, Any]:
    """The names of dispositions and reasons, as the call list's workbook has them too."""
    return read_words(FOLDER / f"list.{language}.yaml", language)


_SCRIPTS: dict[tuple[int, str, str], tuple[Shop, CallScript]] = {}
"""The shop is held, so that its id is no other's."""


def _script(shop: Shop, template: str, language: str) -> CallScript:
    """One that was checked when its run was planned."""
    key = (id(shop), template, language)
    if key not in _SCRIPTS:
        if len(_SCRIPTS) > 32:  # settings that were read again
            _SCRIPTS.clear()
        _SCRIPTS[key] = (shop, CallScript(load_text(FOLDER / f"{template}.{language}.j2"), shop_words(shop)))
    return _SCRIPTS[key][1]


# My day -----------------------------------------------------------------------------------------------------------


@routes.get("/desk/", dependencies=[allowed(*EVERYBODY)])
def desk(here: Here) -> Response:
    """My day. A manager is led to the figures: here are people."""
    if here.visitor.role is Role.MANAGER:
        return RedirectResponse(here.url("desk", "outcomes"), 303)
    return _day(here)


def _day(here: Visit, status: int = 200, **said: Any) -> Response:
    """With what was just `done`, or why there is no card (`nobody`, `refused`, `gone`)."""
    midnight = here.at.astimezone(here.shop.tz).replace(hour=0, minute=0, second=0, microsecond=0)
    with here.house.engine.connect() as connection:
        day = connection.execute(
            statement("desk/day"), {"agent": here.visitor.name, "at": here.at, "since": midnight}
        ).one()
    left = call_desk.waiting(here.house, here.visitor.name, here.at)
    known = {"done": None, "refused": None, "gone": None, "nobody": False, **said}
    known.update(day=day, left=left, calls=call_words(here.language), next_key=NEXT_KEY)
    return page(here, "desk.html.j2", area="desk", status=status, **known)


@routes.post("/desk/next", dependencies=WRITES)
def next_card(here: Here) -> Response:
    card = call_desk.next_card(here.house, here.visitor.name, here.at)
    if card is None:
        return _day(here, nobody=True)
    return RedirectResponse(here.url("desk", "card", str(card.message_id)), 303)


# The card ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """What a card's form brings back: where the conversation stands, and what the agent wrote."""

    place: Place
    reason: Reason | None
    notes: str
    offer_made: bool
    refuses_calls: bool
    day: str
    time: str
    slot_proof: str
    complaint: str

    def callback(self, zone: ZoneInfo) -> datetime | None:
        """The agreed moment, by the customer's clock; None where it is not said, or no moment."""
        try:
            return datetime.fromisoformat(f"{self.day}T{self.time}").replace(tzinfo=zone)
        except ValueError:
            return None


Long = Annotated[str, Form(max_length=LONGEST)]
Short = Annotated[str, Form(max_length=40)]


def _said(
    step: Short = "",
    reason: Short = "",
    proposed: Short = "",
    notes: Long = "",
    offer_made: Short = "",
    refuses_calls: Short = "",
    day: Short = "",
    time: Short = "",
    slot_proof: Long = "",
    complaint: Long = "",
) -> Said:
    place = Place.of(step, reason, proposed)
    return Said(place, place.reason, notes, bool(offer_made), bool(refuses_calls), day, time, slot_proof, complaint)


Form_ = Annotated[Said, Depends(_said)]
NOTHING_SAID = Said(Place(), None, "", False, False, "", "", "", "")


@routes.get("/desk/card/{message_id}", dependencies=[AGENTS])
def card(here: Here, message_id: UUID) -> Response:
    return _held(here, message_id, lambda held: _card(here, held, NOTHING_SAID))


@routes.post("/desk/card/{message_id}/dial", dependencies=WRITES)
def dial(here: Here, message_id: UUID) -> Response:
    """The attempt counts from here on, whatever becomes of agent and browser."""

    def dialled(held: Card) -> Response:
        answer = call_desk.dial(here.house, message_id, here.visitor.name, here.at)
        if isinstance(answer, Refusal):
            return _day(here, 409, refused=answer)
        here.note(Audited.VIEWED, held.customer_id, subject="call number")
        return RedirectResponse(f"{here.url('desk', 'card', str(message_id))}#talk", 303)

    return _held(here, message_id, dialled)


@routes.post("/desk/card/{message_id}/talk", dependencies=WRITES)
def talk(
    here: Here,
    message_id: UUID,
    said: Form_,
    answer: Annotated[str, Form(max_length=40)] = "",
    hx_request: Annotated[str | None, Header()] = None,
) -> Response:
    """The next step of the script: all of the page, or only its part where a script of the page asks."""
    place = said.place.after(answer)
    offered = said.offer_made or (place.step is Step.OFFER and place.reason not in APOLOGIES)
    now = Said(**{**_fields(said), "place": place, "reason": place.reason, "offer_made": offered})
    return _held(here, message_id, lambda held: _card(here, held, now, part=hx_request == "true"))


@routes.post("/desk/card/{message_id}/end", dependencies=WRITES)
def end(
    here: Here,
    message_id: UUID,
    said: Form_,
    attempt: Annotated[int, Form(ge=1, lt=2**63)],
    disposition: Annotated[Disposition, Form()],
) -> Response:
    """Keeps how it ended. A moment to call back that is missing or unlawful is asked for again, with all that was
    written; the attempt is the agent's own until it has ended, whether or not the line is still reserved."""
    known = call_cards.card(here.house, message_id, here.at)
    if known is None:
        return _gone(here, "unknown_call")
    ending = Ending(
        disposition=disposition,
        reason=said.reason,
        notes=said.notes.strip(),
        callback=said.callback(ZoneInfo(known.timezone)) if disposition is Disposition.CALLBACK_AT else None,
        slot_proof=said.slot_proof.strip(),
        offer_made=said.offer_made or disposition is Disposition.OFFER_ACCEPTED,
        refuses_calls=said.refuses_calls and disposition is Disposition.NOT_INTERESTED,
        complaint=said.complaint.strip(),
    )
    try:
        finished = call_desk.finish(here.house, attempt, here.visitor.name, ending, here.at, message_id=message_id)
    except CallError as error:
        why = error.why
        if why not in ("callback_missing", "callback_unlawful"):
            return _gone(here, why)
        place = Place(Step.ENDING, said.reason, disposition)
        again = Said(**{**_fields(said), "place": place})
        return _held(here, message_id, lambda held: _card(here, held, again, status=422, wrong=why))
    return _day(here, done=finished, ending=ending, zone=known.timezone)


@routes.post("/desk/card/{message_id}/renew", dependencies=WRITES)
def renew(here: Here, message_id: UUID) -> Response:
    """Keeps the line while its page is open. A page whose line is another's by now is led back to the day."""
    try:
        call_desk.renew(here.house, message_id, here.visitor.name, here.at)
    except CallError:
        return Response(status_code=200, headers={"HX-Redirect": here.url("desk", "")})
    return Response(status_code=204)


@routes.post("/desk/card/{message_id}/release", dependencies=WRITES)
def release(here: Here, message_id: UUID, gone: Annotated[str, Form(max_length=1)] = "") -> Response:
    """*Not now*, or the last word of a page that goes (`gone`). What was dialled stays until it has ended."""
    call_desk.release(here.house, message_id, here.visitor.name, here.at)
    return Response(status_code=204) if gone else RedirectResponse(here.url("desk", ""), 303)


def _fields(said: Said) -> dict[str, Any]:
    return {name: getattr(said, name) for name in Said.__slots__}


def _held(here: Visit, message_id: UUID, show: Callable[[Card], Response]) -> Response:
    """What is shown of a line that this agent has in hand; 409 where it is not theirs, 404 where there is none."""
    try:
        call_desk.renew(here.house, message_id, here.visitor.name, here.at)
    except CallError as error:
        return _gone(here, error.why)
    found = call_cards.card(here.house, message_id, here.at)
    return _gone(here, "unknown_call") if found is None else show(found)


def _gone(here: Visit, why: str) -> Response:
    if why not in GONE:
        raise HTTPException(409)
    return _day(here, GONE[why], gone=why)


def _card(
    here: Visit, card: Card, said: Said, *, part: bool = False, status: int = 200, wrong: str | None = None
) -> Response:
    if not part or card.attempt_id is None:  # the parts of a conversation follow on a number that was seen
        here.note(Audited.VIEWED, card.customer_id, subject="call card")
    context = {"customer": card.customer, "facts": card.facts, "offer": card.offer}
    script, beside = (_script(here.shop, card.template, one) for one in (card.language, here.language))
    ways: dict[str, Any] = {"language": card.language, "beside": beside, "agent": here.language}
    told = None if said.place.step is Step.ENDING else passage(script, said.place.block, context, **ways)
    return page(
        here,
        "desk_talk.html.j2" if part else "desk_card.html.j2",
        area="desk",
        status=status,
        card=card,
        said=said,
        told=told,
        answers=_answers(said.place),
        objections=tuple(objections(script, context, **ways)) if told else (),
        parts=_parts(said.place),
        proposed=said.place.proposed,
        wrong=wrong,
        calls=call_words(here.language),
        reasons=tuple(Reason),
        keys=KEYS,
        dial_key=DIAL_KEY,
        hours=_hours(card),
        today=f"{card.local_time:%Y-%m-%d}",
        url=here.url("desk", "card", str(card.message_id)),
    )


def _answers(place: Place) -> tuple[Answer, ...]:
    return tuple(answer for answer in place.answers() if answer.name != "no_calls")


def _parts(place: Place) -> list[tuple[str, tuple[Disposition, ...], bool]]:
    """The endings, and whether each part lies open: the one that the conversation led to comes first; who has just
    dialled is nearest to nobody answering."""
    if place.proposed is None or place.step is not Step.ENDING:
        nearest = {Step.OPENING: ("nobody",), Step.ENDING: tuple(name for name, _ in ENDINGS)}.get(place.step, ())
        return [(name, endings, name in nearest) for name, endings in ENDINGS]
    parts = sorted(ENDINGS, key=lambda part: place.proposed not in part[1])
    return [
        (name, tuple(sorted(ends, key=lambda one: one is not place.proposed)), place.proposed in ends)
        for name, ends in parts
    ]


def _hours(card: Card) -> str:
    """The lawful hours, by the clock of who is rung."""
    law = calling.law_at(card.country, None)
    return law.profile.hours_in_words if law else ""
