"""What a step tells while it works: how many of what, and of which message. Ids, rules and counts only, never a person.

The package knows neither who counts nor who keeps logs: it tells a `Tidings`, and `dags/wiring.py` makes one of what
Airflow gives: its figures (StatsD or OpenTelemetry) and its structured log. Without Airflow nobody counts, and lines go
to Python's own logging.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from habitue.kinds import State

if TYPE_CHECKING:
    from habitue.ledger import Claim, Outcome

log = logging.getLogger(__name__)


def uncounted(name: str, number: int) -> None:
    """Nobody counts."""


def unmeasured(name: str, value: float) -> None:
    """Nobody keeps it."""


def written(level: int, event: str, **about: Any) -> None:
    """A line of Python's logging: `refused run=spring:2026-10-01 shard=… message_id=…`."""
    log.log(level, "%s %s", event, " ".join(f"{key}={value}" for key, value in about.items()))


@dataclass(frozen=True)
class Tidings:
    """`count(name, number)`: so many more of that name; `measure(name, value)`: as large as that now;
    `say(level, event, **about)`: a line, with what it is about."""

    count: Callable[[str, int], None] = uncounted
    measure: Callable[[str, float], None] = unmeasured
    say: Callable[..., None] = written

    def claimed(self, claim: Claim, *, run_id: str, shard: str) -> None:
        self.count("claims", len(claim.messages))
        if claim.cancelled:
            self.count(f"messages.{shard.split('/')[1]}.cancelled", claim.cancelled)
        about = {"run": run_id, "shard": shard, "messages": len(claim.messages), "cancelled": claim.cancelled}
        self.say(logging.INFO, "claimed", **about, shut=claim.shut)

    def lost(self, messages: int, *, run_id: str, shard: str) -> None:
        """What a dead worker held, of which nobody knows whether it left."""
        if messages:
            self.count(f"messages.{shard.split('/')[1]}.unknown", messages)
            self.say(logging.WARNING, "in_doubt", run=run_id, shard=shard, messages=messages)

    def settled(self, outcomes: Iterable[Outcome], *, run_id: str, shard: str) -> None:
        """A count by state; a line for each message that was refused, is in doubt or put back, and at the level DEBUG
        for each that left."""
        channel, counts = shard.split("/")[1], Counter[State]()
        for one in outcomes:
            counts[one.state] += 1
            level = logging.DEBUG if one.state is State.ACCEPTED else logging.INFO
            about = {"run": run_id, "shard": shard, "message_id": str(one.message_id)}
            self.say(level, one.state.value, **about, reason=one.reason, provider_id=one.provider_id)
        for state, number in counts.items():
            name = "held" if state is State.PLANNED else state.value
            self.count(f"messages.{channel}.{name}", number)
