"""A postbag: the mails of one batch on their way to a provider, and what has become of each.

1. Parcels wait: one mail each, or several that leave in one request. Workers take them, as many at once and as fast as
   the limits of their domains allow.
2. Each comes to one end: accepted, refused, unknown. Or the provider is busy: then it waits and is taken again, later
   each time, until its tries are used up.
3. Somebody finds that going on is useless (a wrong password, nobody answers): the bag is closed, what is in a worker's
   hand is finished, and what was never handed over is held.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from habitue.errors import SendError
from habitue.mime import Mail
from habitue.senders import Receipt, Receipts, Status
from habitue.shop import Limit

ALL = "*"
"""The limit that counts every mail, whatever its domain."""
REFUSED_IN_A_ROW = 20
"""Mails refused at the start of a batch, before any was accepted: so many wrong addresses are none."""
ROUND = 8
"""Troubles in a row that count as one try of the provider, at the least; else as many as there are workers."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try. Seconds: the first pause, the longest, and how long nobody may have answered anything."""

    tries: int = 6
    first: float = 1.0
    longest: float = 60.0
    silence: float = 240.0

    def pause(self, tried: int) -> float:
        """Seconds before the next try: doubled each time, and up to a quarter longer, so that not all come at once."""
        return min(self.first * 2.0 ** max(tried - 1, 0), self.longest) * random.uniform(1, 1.25)


@dataclass(slots=True, eq=False)
class Parcel:
    """What leaves together. `places` are the mails' places in the batch; `in_doubt`: it may have left already."""

    places: list[int]
    tried: int = 0
    in_doubt: bool = False
    domain: str = ""


@dataclass(slots=True)
class _Gate:
    """One limit at work: how many are under way, and when the next may start."""

    limit: Limit
    under_way: int = 0
    free_at: float = 0.0

    def wait(self, now: float) -> float:
        """Seconds until one more may leave; infinite where one must come back first."""
        if self.limit.at_once is not None and self.under_way >= self.limit.at_once:
            return float("inf")
        return self.free_at - now

    def enter(self, now: float) -> None:
        self.under_way += 1
        if self.limit.a_second is not None:
            self.free_at = max(now, self.free_at) + 1 / self.limit.a_second


@dataclass(slots=True, eq=False)
class Postbag:
    """One batch. `now` is the event loop's monotonic time in seconds; everything happens in that loop's thread."""

    mails: Sequence[Mail]
    patience: Patience
    workers: int
    limits: Mapping[str, Limit] = field(default_factory=dict)
    now: Callable[[], float] = field(default_factory=lambda: asyncio.get_running_loop().time)
    stopped: SendError | None = None

    _receipts: dict[int, Receipt] = field(default_factory=dict)
    _held: dict[int, str] = field(default_factory=dict)
    _waiting: dict[str, deque[Parcel]] = field(default_factory=dict)
    _later: list[tuple[float, int, Parcel]] = field(default_factory=list)
    _gates: dict[str, _Gate] = field(default_factory=dict)
    _under_way: set[Parcel] = field(default_factory=set)
    _resume_at: float = 0.0
    _heard_at: float = 0.0
    _troubles: int = 0
    _doubts: int = 0
    _refused: int = 0
    _accepted: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._gates = {name: _Gate(limit) for name, limit in self.limits.items()}
        # Domains with a limit first: they take longest, the others fill the gaps.
        self._waiting = {domain: deque() for domain in (*(self._gates.keys() - {ALL}), "")}
        self._heard_at = self.now()

    # What waits

    def put(self, parcel: Parcel) -> None:
        """Puts a parcel in line; its domain counts only where that has a limit."""
        domain = self.mails[parcel.places[0]].to_address.rpartition("@")[2].lower()
        parcel.domain = domain if domain in self._waiting else ""
        self._waiting[parcel.domain].append(parcel)
        self._changed.set()

    def take(self) -> Parcel | None:
        """A parcel that may leave at once, or None. Whoever takes one brings it to an end."""
        if (domain := self._open()) is None:
            return None
        for gate in self._gates_of(domain):
            gate.enter(self.now())
        parcel = self._waiting[domain].popleft()
        self._under_way.add(parcel)
        return parcel

    async def ready(self) -> bool:
        """Waits until a parcel may leave; False when there will be none."""
        while self._open() is None:
            if self.stopped or not (self.waits() or self._under_way):
                self._changed.set()
                return False
            await self._change(self._delay())
        return True

    def _open(self) -> str | None:
        """The domain of the parcel that may leave next."""
        now = self.now()
        if self.stopped or now < self._resume_at or (self.waits() and self._silent()):
            return None
        while self._later and self._later[0][0] <= now:
            self.put(heappop(self._later)[2])
        for domain, line in self._waiting.items():
            if line and all(gate.wait(now) <= 0 for gate in self._gates_of(domain)):
                return domain
        return None

    async def rest(self, seconds: float) -> None:
        """Waits so long, or until the bag is closed."""
        until = self.now() + seconds
        while not self.stopped and (left := until - self.now()) > 0:
            await self._change(left)

    async def _change(self, seconds: float) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _delay(self) -> float:
        """Seconds until something may be ready by itself; at most one, so that silence is noticed."""
        now = self.now()
        ready = [self._later[0][0] - now] if self._later else []
        ready += [
            max((gate.wait(now) for gate in self._gates_of(domain)), default=0.0)
            for domain, line in self._waiting.items()
            if line
        ]
        return max(0.001, min(1.0, max(min(ready, default=1.0), self._resume_at - now)))

    def waits(self) -> bool:
        """Whether some are still to leave, now or later."""
        return bool(self._later) or any(self._waiting.values())

    def _gates_of(self, domain: str) -> list[_Gate]:
        return [self._gates[name] for name in (domain, ALL) if name in self._gates]

    # What becomes of a parcel

    def accepted(self, parcel: Parcel, provider_id: str | None) -> None:
        self._accepted = True
        self._answer(parcel, Status.ACCEPTED, provider_id=provider_id)

    def refused(self, parcel: Parcel, reason: str) -> None:
        """The provider said no. Where it says so to everyone, the fault is not theirs."""
        self._answer(parcel, Status.REFUSED, reason=reason)
        self._refused += 1
        if not self._accepted and self._refused >= REFUSED_IN_A_ROW:
            self.stop(SendError(f"{reason}: the first {self._refused} mails were all refused; see why", permanent=True))

    def unwritable(self, parcel: Parcel, reason: str) -> None:
        """Refused by ourselves: it can't stand in a mail."""
        self._answer(parcel, Status.REFUSED, reason=reason)

    def unknown(self, parcel: Parcel, reason: str) -> None:
        """It may have left. Where one after the other ends so, the rest is better held than put in doubt as well."""
        for place in parcel.places:
            self._receipts[place] = Receipt(self.mails[place].message_id, Status.UNKNOWN, reason=reason)
        self._back(parcel)
        self._doubts += 1
        if self._doubts >= 2 * self.workers:
            self.stop(SendError(f"{reason}; {self._doubts} times in a row, see to it", permanent=False))

    def again(self, parcel: Parcel, reason: str, *, wait: float = 0.0) -> None:
        """It certainly didn't leave: it is tried again after a pause, at the earliest in `wait` seconds, or held."""
        self._back(parcel)
        parcel.tried += 1
        parcel.in_doubt = False
        if parcel.tried >= self.patience.tries:
            self._held |= dict.fromkeys(parcel.places, reason)
        else:
            at = self.now() + max(wait, self.patience.pause(parcel.tried))
            heappush(self._later, (at, parcel.places[0], parcel))
        self.trouble(reason)

    def untouched(self, parcel: Parcel) -> None:
        """The provider never saw it: it stands in line again, as if it had not been taken."""
        self._back(parcel)
        self._waiting[parcel.domain].appendleft(parcel)

    def lost(self, parcel: Parcel, reason: str) -> None:
        """The one who had it lost the provider: in doubt it may have left, else it is tried again."""
        if parcel.in_doubt:
            self.unknown(parcel, reason)
        else:
            self.again(parcel, reason)

    def split(self, parcel: Parcel) -> None:
        """Two halves instead of the whole: the provider dislikes one of its mails, and we don't know which."""
        self._back(parcel)
        middle = len(parcel.places) // 2
        self.put(Parcel(parcel.places[:middle]))
        self.put(Parcel(parcel.places[middle:]))

    def _answer(
        self, parcel: Parcel, status: Status, *, provider_id: str | None = None, reason: str | None = None
    ) -> None:
        for place in parcel.places:
            self._receipts[place] = Receipt(self.mails[place].message_id, status, provider_id, reason)
        self._back(parcel)
        self._troubles = self._doubts = 0
        self._heard_at = self.now()

    def _back(self, parcel: Parcel) -> None:
        if parcel in self._under_way:
            self._under_way.remove(parcel)
            for gate in self._gates_of(parcel.domain):
                gate.under_way -= 1
        self._changed.set()

    def settled(self, parcel: Parcel) -> bool:
        return parcel not in self._under_way

    # What becomes of the bag

    def stop(self, error: SendError) -> None:
        """Nothing more is taken; the first reason counts."""
        self.stopped = self.stopped or error
        self._changed.set()

    def suspend(self, seconds: float, reason: str) -> None:
        """Nothing is taken for so long; closes the bag where that is longer than anyone should wait."""
        if seconds > self.patience.silence:
            self.stop(SendError(f"{reason}; it asks to wait {seconds:.0f} s, try again then", permanent=False))
        self._resume_at = max(self._resume_at, self.now() + seconds)

    def trouble(self, reason: str) -> None:
        """The provider is busy or out of reach. After each round of nothing else everybody pauses, longer each time."""
        self._troubles += 1
        rounds, rest = divmod(self._troubles, max(self.workers, ROUND))
        if rest == 0 and rounds >= self.patience.tries:
            self.stop(SendError(f"{reason}; {self._troubles} times in a row, try again later", permanent=False))
        elif rest == 0:
            self.suspend(self.patience.pause(rounds), reason)

    def _silent(self) -> bool:
        if self.now() - self._heard_at > self.patience.silence:
            self.stop(SendError(f"no answer for {self.patience.silence:.0f} s; try again later", permanent=False))
        return self.stopped is not None

    def receipts(self) -> Receipts:
        """One receipt a mail, in order. Whatever has no answer by now and is in nobody's hand was never handed over."""
        if not self._receipts and self._held:
            self.stop(SendError(f"{next(iter(self._held.values()))}; try again later", permanent=False))
        why = str(self.stopped) if self.stopped else None
        for parcel in [parcel for parcel in self._under_way if parcel.in_doubt]:
            self.unknown(parcel, "no answer")
        return Receipts(
            [
                self._receipts.get(place) or Receipt(mail.message_id, Status.HELD, reason=self._held.get(place, why))
                for place, mail in enumerate(self.mails)
            ],
            self.stopped,
        )
