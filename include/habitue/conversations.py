"""A call as a conversation: what is said at each step, which answers may come, and where each of them leads.

A script's paragraphs hold what the agent says, in quotation marks, and directions beside it. What is said is in the
customer's language; the directions are in the agent's, where both languages' scripts are built alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from habitue.calls import CallScript, Disposition, Reason

E = TypeVar("E", bound=StrEnum)

QUOTES = {"fr": "«»", "en": "“”"}
"""Around what is said. What is quoted within it stands in the other marks of the language."""


class Step(StrEnum):
    """Where a conversation is. The first is the legally due opening (L. 221-16 C. conso)."""

    OPENING = "opening"
    QUESTION = "question"
    OFFER = "offer"
    GOODBYE = "goodbye"
    REFUSAL = "refusal"
    """the customer does not want to be called: nothing more is asked"""
    ENDING = "ending"
    """nothing is left to say: how did it end?"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the customer says at a step, by the name of its words in the pages, and what follows."""

    name: str
    leads_to: Step
    proposes: Disposition | None = None
    """how the call then ends, unless the agent says otherwise"""


_AFTER_OFFER = (
    Answer("accepts", Step.GOODBYE, Disposition.OFFER_ACCEPTED),
    Answer("will_come", Step.GOODBYE, Disposition.WILL_VISIT),
    Answer("perhaps", Step.GOODBYE, Disposition.REACHED_COURTESY),
    Answer("no_thanks", Step.GOODBYE, Disposition.NOT_INTERESTED),
    Answer("complains", Step.GOODBYE, Disposition.COMPLAINT),
)
ANSWERS: Mapping[Step, tuple[Answer, ...]] = {
    Step.OPENING: (
        Answer("good_moment", Step.QUESTION),
        Answer("bad_moment", Step.ENDING, Disposition.CALLBACK_AT),
        Answer("someone_else", Step.ENDING, Disposition.WRONG_PERSON),
        Answer("no_calls", Step.REFUSAL, Disposition.DO_NOT_CALL),
    ),
    Step.QUESTION: tuple(Answer(f"reason_{reason}", Step.OFFER) for reason in Reason),
    Step.OFFER: _AFTER_OFFER,
    Step.GOODBYE: (Answer("rung_off", Step.ENDING),),
    Step.REFUSAL: (Answer("rung_off", Step.ENDING),),
    Step.ENDING: (),
}
APOLOGIES = frozenset({Reason.SERVICE, Reason.QUALITY})
"""Reasons after which nothing is offered: a complaint is the likeliest end, and stands first."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conversation stands: all that a page needs to remember of it."""

    step: Step = Step.OPENING
    reason: Reason | None = None
    proposed: Disposition | None = None

    @property
    def block(self) -> str:
        return f"offer_{self.reason}" if self.step is Step.OFFER and self.reason else self.step.value

    def answers(self) -> tuple[Answer, ...]:
        given = ANSWERS[self.step]
        if self.step is Step.OFFER and self.reason in APOLOGIES:
            return (*given[-1:], *given[2:-1])
        return given

    def after(self, name: str) -> Place:
        """Where that answer leads; here, where nobody gives it at this step. A refusal may come at any."""
        if name == "no_calls":
            return Place(Step.REFUSAL, self.reason, Disposition.DO_NOT_CALL)
        for answer in self.answers():
            if answer.name == name:
                reason = Reason(name.removeprefix("reason_")) if name.startswith("reason_") else self.reason
                return Place(answer.leads_to, reason, answer.proposes or self.proposed)
        return self

    @classmethod
    def of(cls, step: str | None, reason: str | None, proposed: str | None) -> Place:
        """As a page's form brings it back; whatever it doesn't know is not there."""
        return cls(_one_of(Step, step) or Step.OPENING, _one_of(Reason, reason), _one_of(Disposition, proposed))


def _one_of(kind: type[E], value: str | None) -> E | None:
    return kind(value) if value in {one.value for one in kind} else None


@dataclass(frozen=True, slots=True)
class Part:
    text: str
    said: bool
    """read out; else a direction to the agent"""


Line = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """A block of a script, to be read on a page."""

    heading: str
    lines: Sequence[Line]


def passage(
    script: CallScript, block: str, context: Mapping[str, Any], *, language: str, beside: CallScript | None, agent: str
) -> Passage | None:
    """What `block` says: a reason without an answer of its own gets the general offer; None where the script has no
    such block (an objection need not be there). `beside` is the same script in the agent's language."""
    if block not in script.blocks:
        if not block.startswith("offer_"):
            return None
        block = "offer"
    heading, lines = _read(script.paragraphs(block, context), language)
    if beside is not None and agent != language and block in beside.blocks:
        theirs, directions = _read(beside.paragraphs(block, context), agent)
        if _shape(directions) == _shape(lines):
            heading, lines = theirs, [_directed(*pair) for pair in zip(lines, directions, strict=True)]
    return Passage(heading, lines)


def objections(
    script: CallScript, context: Mapping[str, Any], *, language: str, beside: CallScript | None, agent: str
) -> Iterator[Passage]:
    for block in script.blocks:
        if block.startswith("objection_"):
            told = passage(script, block, context, language=language, beside=beside, agent=agent)
            if told is not None:
                yield told


def _read(paragraphs: Sequence[str], language: str) -> tuple[str, list[Line]]:
    return paragraphs[0], [tuple(_parts(paragraph, QUOTES[language])) for paragraph in paragraphs[1:]]


def _parts(paragraph: str, quotes: str) -> Iterator[Part]:
    """A paragraph that starts with a quotation is said as far as the last of its closing marks. A few quoted words
    inside a direction are the name of something, and part of it."""
    end = paragraph.rfind(quotes[1])
    if not paragraph.startswith(quotes[0]) or end < 0:
        yield Part(paragraph, said=False)
        return
    yield Part(paragraph[1:end].strip("\u00a0\u202f "), said=True)
    if rest := paragraph[end + 1 :].strip():
        yield Part(rest, said=False)


def _shape(lines: Sequence[Line]) -> list[list[bool]]:
    return [[part.said for part in line] for line in lines]


def _directed(line: Line, direction: Line) -> Line:
    return tuple(mine if mine.said else theirs for mine, theirs in zip(line, direction, strict=True))
