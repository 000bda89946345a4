"""What the three channels share while they make a run's messages and let them go: the desk that a worker sits at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import Connection

from habitue import allowances, controls, ledger
from habitue.allowances import Allowance
from habitue.errors import Waiting
from habitue.facts import FactsFile
from habitue.house import House
from habitue.ledger import Outcome
from habitue.plans import Shard
from habitue.recipients import Recipient, Run, recipients
from habitue.tables import RunState, State
from habitue.texts import typography

Clock = Callable[[], datetime]
Counts = dict[str, int]


@dataclass(frozen=True)
class Desk:
    """The house, the run, and who the worker is."""

    house: House
    run: Run
    worker: str
    connection: Connection | None = None
    """read people over this one: a rehearsal's are in no other"""
    shard: Shard | None = None
    """which part of the run it lets go; None: nobody is told what it settles"""

    @classmethod
    def of(cls, house: House, shard: Shard) -> Desk:
        return cls(house, Run.of(house.engine, shard.run_id), f"worker-{uuid4().hex[:12]}", shard=shard)

    @property
    def work(self) -> Path:
        return run_folder(self.house, self.run)

    @cached_property
    def facts(self) -> FactsFile:
        return FactsFile(self.work / "facts.parquet")

    def people(self, shard: Shard, *states: State, only: frozenset[UUID] | None = None) -> Iterator[Recipient]:
        return recipients(
            self.connection or self.house.engine,
            shard,
            facts=self.facts,
            shop=self.house.shop,
            states=states,
            only=only,
        )

    def waiting(self, shard: Shard, *states: State) -> Iterator[Recipient]:
        """Those who are still to be written to; LedgerError before the first where audience or texts changed."""
        for number, who in enumerate(self.people(shard, *states)):
            if number == 0:
                self.check(shard)
            yield who

    def check(self, shard: Shard) -> None:
        controls.check(self.house.engine, shard, self.house.shop)

    def claim(
        self,
        shard: Shard,
        *,
        on: date,
        at: datetime,
        most: int,
        again: bool,
        after: int = 0,
        allowance: Allowance | None = None,
    ) -> ledger.Claim:
        """A claim of the shard's messages. Waiting where none may leave now; nothing to claim where the run is
        cancelled."""
        claimed = ledger.claim(
            self.house.engine,
            shard,
            worker=self.worker,
            on=on,
            at=at,
            shop=self.house.shop,
            caps=self.run.campaign.effective_caps(self.house.shop),
            most=most,
            again=again,
            after=after,
            allowance=allowance,
        )
        self.house.tidings.claimed(claimed, run_id=shard.run_id, shard=str(shard))
        if claimed.shut == "used_up" and allowance is not None:
            opens = allowances.opens_again(allowance, self.house.shop, self.open_at)
            raise Waiting(_used_up(shard.run_id, allowance, opens), why=claimed.shut, until=opens)
        if claimed.shut and claimed.shut != RunState.CANCELLED:
            raise Waiting(_waits(shard.run_id, claimed), why=claimed.shut)
        return claimed

    def keep_content(self, shard: Shard, digest: str, messages: int) -> None:
        """What the shard's messages came out as, the first time that all of them were made."""
        ledger.keep_content(self.house.engine, shard, digest, messages)

    def open_at(self, moment: datetime) -> datetime | None:
        """None where the campaign's hours are, else when they next begin."""
        return self.run.campaign.window.open_at(moment, self.house.shop.tz)

    def settle(self, outcomes: Iterable[Outcome], at: datetime, counted: Allowance | None = None) -> int:
        told = list(outcomes)
        settled = ledger.settle(self.house.engine, told, worker=self.worker, at=at, counted=counted)
        self.tell(told)
        return settled

    def tell(self, outcomes: Iterable[Outcome]) -> None:
        """To whoever counts, and to the log, what was settled."""
        if self.shard is not None:
            self.house.tidings.settled(outcomes, run_id=self.run.run_id, shard=str(self.shard))

    def offer_words(self, who: Recipient) -> dict[str, object]:
        offer = self.run.offer(who.segment, who.arm)
        return {
            "code": grouped(who.offer_code),
            "text": typography(offer.text[who.language], who.language),  # type: ignore[index]
            "valid_until": offer.valid_until(self.run.on),
            "url": self.offer_url(who),
        }

    def offer_url(self, who: Recipient) -> str:
        return f"{self.house.shop.website}/o/{who.offer_code}"

    def facts_words(self, who: Recipient) -> dict[str, object]:
        """What copy may know of a customer's purchases: days with a purchase, in all and in the last year."""
        return {
            "last_purchase": who.facts.last_day,
            "favourite": self.favourite(who),
            "purchases": who.facts.lifetime_days,
            "this_year": who.facts.purchase_days,
        }

    def favourite(self, who: Recipient) -> str | None:
        return who.facts.favourites[0] if who.facts.favourites else None


def _waits(run_id: str, claimed: ledger.Claim) -> str:
    said = f" ({claimed.reason})" if claimed.reason else ""
    return {
        "stopped": f"nothing may leave{said}: the kill switch is pulled; `habitue go` lifts it",
        "paused": f"{run_id} is paused{said}: `habitue resume {run_id}` goes on, `habitue cancel {run_id}` ends it",
        "unapproved": f"{run_id} is not approved as it is now: clear its task `ask` and what follows to ask (again)",
        "late": f"{run_id} comes after its send window: `habitue resume {run_id}` lets it go, `habitue cancel` ends it",
    }[claimed.shut or ""]


def _used_up(run_id: str, allowance: Allowance, opens: datetime) -> str:
    return (
        f"{run_id}: {allowance.most} e-mails may leave on {allowance.day} (sender.warm_up, sender.daily_cap in "
        f"shop.yaml), and have; the rest goes on at {opens:%Y-%m-%d %H:%M}"
    )


def run_folder(house: House, run: Run) -> Path:
    """Where a run keeps what it was made from and what it is making."""
    return house.out / "runs" / run.campaign.name / run.on.isoformat()


def grouped(code: str) -> str:
    """A code as it is read out: two halves with a hyphen."""
    return f"{code[:5]}-{code[5:]}"
