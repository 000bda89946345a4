"""What must hold when all is over, whatever was killed. The provider's own record is believed, not the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from habitue.ledger import MOST_ATTEMPTS

SETTLED = ("accepted", "refused", "unknown", "cancelled")


@dataclass(frozen=True)
class Death:
    """How a worker ended, and which claimed messages it left without an answer. `excuse`: what had cut it short, of
    `killed` and `database`; None where nothing had."""

    worker: str
    excuse: str | None
    left: frozenset[str]


@dataclass(frozen=True)
class Evidence:
    """A run that is over. `taken`: the provider's record, as often as it took each; `swallowed`: the messages whose
    answer it withheld; `noted`: what a restored database had to learn from the journal; `unwilling`: those of
    people who said no while the run was under way, before anybody had claimed them."""

    people: int
    audience: int
    planned: int
    excluded: int
    held_out: int
    states: Mapping[str, str]
    reasons: Mapping[str, str | None]
    tallies: Mapping[str, int]
    taken: Sequence[str]
    swallowed: frozenset[str]
    deaths: Sequence[Death]
    claim: int
    delivery: str
    kills: int
    restarts: int
    seconds: float
    noted: frozenset[str] = frozenset()
    unwilling: frozenset[str] = frozenset()
    wrong: Sequence[str] = ()
    """what did not hold while it was under way"""

    def in_state(self, *states: str) -> set[str]:
        return {one for one, state in self.states.items() if state in states}

    @property
    def left(self) -> frozenset[str]:
        """What dead workers left without an answer."""
        return frozenset().union(*(death.left for death in self.deaths))

    @property
    def twice(self) -> dict[str, int]:
        return {one: times for one, times in Counter(self.taken).items() if times > 1}

    @property
    def lost(self) -> set[str]:
        """Who was neither written to nor accounted for: counted as accepted and never taken, or left lying."""
        return (self.in_state("accepted") - set(self.taken)) | set(self.states) - self.in_state(*SETTLED)


def findings(seen: Evidence) -> list[str]:
    """Sentences about what went wrong; empty where all is well."""
    return [*seen.wrong, *_sums(seen), *_workers(seen), *_once(seen), *_doubts(seen)]


def _sums(seen: Evidence) -> Iterator[str]:
    counted = Counter(seen.states.values())
    settled = sum(counted[state] for state in SETTLED)
    if seen.lost:
        yield f"{len(seen.lost)} messages are lost"
    if settled != len(seen.states) or len(seen.states) != seen.planned:
        yield f"{settled} messages are settled of {len(seen.states)}; {seen.planned} were planned"
    if not settled + seen.excluded + seen.held_out == seen.audience == seen.people:
        yield (
            f"{settled} settled, {seen.excluded} excluded and {seen.held_out} held out are not the audience of "
            f"{seen.audience}, or not the {seen.people} people"
        )
    for state in SETTLED:
        if seen.tallies[state] != counted[state]:
            yield f"the shards' tallies say {seen.tallies[state]} {state}, the messages say {counted[state]}"


def _once(seen: Evidence) -> Iterator[str]:
    taken, said = set(seen.taken), seen.states
    if strangers := taken - set(said):
        yield f"the provider took {len(strangers)} messages that nobody planned"
    most = 1 if seen.delivery == "at_most_once" else MOST_ATTEMPTS
    if often := [one for one, times in seen.twice.items() if times > most]:
        yield f"{len(often)} messages arrived more than {most} times"
    # Who was in doubt before may have been written to then, and refused or cancelled when it was tried again.
    before = seen.left if seen.delivery == "at_least_once" else frozenset()
    if against := (taken & seen.in_state("refused", "cancelled")) - before:
        yield f"{len(against)} messages arrived that count as refused or cancelled"
    if heedless := seen.unwilling - seen.in_state("cancelled"):
        yield f"{len(heedless)} messages were not cancelled, and their people had said no"


def _doubts(seen: Evidence) -> Iterator[str]:
    unknown = seen.in_state("unknown")
    if groundless := unknown - seen.left - seen.swallowed - seen.noted:
        why = Counter(seen.reasons[one] for one in groundless)
        yield f"{len(groundless)} messages count as in doubt, and nothing happened to them ({why})"
    if seen.delivery == "at_most_once" and (sure := (seen.left | seen.noted) - unknown):
        yield f"{len(sure)} messages were left without an answer and count as {Counter(seen.states[o] for o in sure)}"


def _workers(seen: Evidence) -> Iterator[str]:
    for death in seen.deaths:
        if death.left and death.excuse is None:
            yield f"{death.worker} ended by itself and left {len(death.left)} messages without an answer"
        if len(death.left) > seen.claim:
            yield f"{death.worker} left {len(death.left)} messages in doubt; a claim is {seen.claim}"


def figures(seen: Evidence) -> dict[str, int | str]:
    """What there is to print."""
    counted = Counter(seen.states.values())
    return {
        "kills": seen.kills,
        "database restarts": seen.restarts,
        "workers": len(seen.deaths),
        "claim, messages": seen.claim,
        "audience": seen.audience,
        **{state: counted[state] for state in SETTLED},
        "excluded": seen.excluded,
        "held out": seen.held_out,
        "arrived": len(set(seen.taken)),
        "in doubt by a kill": len(set().union(*(d.left for d in seen.deaths if d.excuse == "killed"))),
        "in doubt by a restart": len(set().union(*(d.left for d in seen.deaths if d.excuse == "database"))),
        "in doubt by no answer": len(seen.swallowed & seen.in_state("unknown")),
        "in doubt, and had arrived": len(seen.in_state("unknown") & set(seen.taken)),
        "largest doubt a kill": max((len(d.left) for d in seen.deaths if d.excuse == "killed"), default=0),
        "twice": len(seen.twice),
        "most often": max(Counter(seen.taken).values(), default=0),
        "lost": len(seen.lost),
        "seconds": round(seen.seconds),
    }
