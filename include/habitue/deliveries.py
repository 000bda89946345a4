"""From the ledger to the world: each channel makes its messages (`render`), then lets them go (`deliver`).

`render` makes everything once and sends nothing, so that a text that can't be rendered stops the run before anyone is
written to. `deliver` claims before it sends and settles after; what a dead worker left behind is taken up again only
where making a thing twice makes it once: a letter's file, a call list, a mail in the outbox.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date, datetime, time
from functools import cached_property, partial
from hashlib import sha256
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from habitue import call_gate, call_lists, controls, ledger, outcomes, suppressions
from habitue.allowances import Allowance
from habitue.calls import FOLDER as CALLS
from habitue.calls import CallRow, CallScript, read_words, write_call_list
from habitue.desk import Clock as Clock
from habitue.desk import Counts as Counts
from habitue.desk import Desk as Desk
from habitue.desk import grouped as grouped
from habitue.desk import run_folder as run_folder
from habitue.emails import EmailTemplate
from habitue.errors import SendError, Waiting
from habitue.house import House
from habitue.journal import Journal
from habitue.ledger import Outcome
from habitue.mime import Mail, Origin, write
from habitue.outcomes import Event
from habitue.plans import Shard
from habitue.print_room import Letters
from habitue.providers import open_sender
from habitue.recipients import Recipient
from habitue.returned_mail import NO_SUCH_ADDRESS
from habitue.salutations import salutation
from habitue.senders import Receipt, Sender, Status
from habitue.shop import Shop
from habitue.suppressions import Suppression
from habitue.tables import Channel, OutcomeKind, State, SuppressionReason
from habitue.texts import NO_BREAK, money

CLAIM = 500
"""Mails claimed at a time: a worker that dies leaves at most so many in doubt."""


class Delivery(Protocol):
    def render(self, shard: Shard) -> Counts: ...
    def deliver(self, shard: Shard, *, on: date, now: Clock) -> Counts: ...


def delivery(house: House, shard: Shard) -> Delivery:
    """The channel's way of doing it."""
    desk = Desk.of(house, shard)
    match shard.channel:
        case Channel.LETTER:
            return Letters(desk)
        case Channel.EMAIL:
            return Emails(desk, open_sender(house.shop, house.access, out=house.out))
        case Channel.CALL:
            return Calls(desk)


class Emails:
    """Mails, made one after the other and handed to the sender a claim at a time."""

    def __init__(self, desk: Desk, sender: Sender) -> None:
        self.desk = desk
        self.sender = sender
        self._templates: dict[tuple[str, str], EmailTemplate] = {}

    @cached_property
    def origin(self) -> Origin:
        return Origin.of(self.desk.house.shop, self.desk.run.campaign.name, self.desk.run.planned_at)

    def render(self, shard: Shard) -> Counts:
        counts = {"emails": 0, "bytes": 0, "unwritable": 0}
        digest = sha256()
        for who in self.desk.waiting(shard, State.PLANNED):
            mail = self.mail(who)  # a text that can't be rendered stops the run here
            try:
                written = write(mail)
                digest.update(written)
                counts["bytes"] += len(written)
                counts["emails"] += 1
            except SendError:  # one person's data can't stand in a header: the sender will refuse that one
                counts["unwritable"] += 1
        self.desk.keep_content(shard, digest.hexdigest(), counts["emails"] + counts["unwritable"])
        return counts

    def deliver(self, shard: Shard, *, on: date, now: Clock) -> Counts:
        """Claims, hands over and settles, CLAIM mails at a time.

        1. What a dead worker held is in doubt; and so is what the journal knows to have left, where the database was
           restored from a copy that does not.
        2. Each claim is asked anew whether anything may leave; Waiting where it may not.
        3. Each answer is settled at once, and the circuit breaker judges the run.
        4. What another worker holds, who may be dead, is waited for: Waiting until that is known.

        SendError when mails are left that were never handed over: all others are settled, these wait as planned. So do
        those in doubt of a campaign that says `at_least_once`, a few times.
        """
        self.desk.check(shard)
        engine, again = self.desk.house.engine, self.sender.idempotent
        counts = {"accepted": 0, "refused": 0, "unknown": 0, "cancelled": 0, "held": 0}
        at_least_once = self.desk.run.campaign.delivery == "at_least_once"
        if not again:
            counts["unknown"] = ledger.expire(engine, shard, at=now(), again=at_least_once)
            counts["unknown"] += ledger.doubt(engine, self.journal(shard).claims(), at=now())
            self.desk.house.tidings.lost(counts["unknown"], run_id=shard.run_id, shard=str(shard))
        with closing(self.sender):
            after = 0
            while claimed := self._claim(shard, on=on, now=now, after=after):
                after = claimed.last
                counts["cancelled"] += claimed.cancelled
                mails = self._mails(shard, claimed, now)
                answer = self.sender.send(mails)
                gone = [mail for mail, receipt in zip(mails, answer.receipts, strict=True) if _no_such_address(receipt)]
                self._suppress(gone, now())
                self.desk.settle((_outcome(receipt) for receipt in answer.receipts), now(), claimed.counted)
                self._bounced(gone, now())
                controls.judge(engine, shard.run_id, self.desk.house.shop.breaker, at=now())
                for receipt in answer.receipts:
                    counts[receipt.status] += 1
                if answer.stopped:
                    raise answer.stopped
        if held := counts.pop("held"):
            raise SendError(f"Shard {shard}: {held} mails were put off by the provider; deliver again", permanent=False)
        if at_least_once and not again and (doubtful := ledger.try_again(engine, shard, at=now())):
            raise SendError(f"Shard {shard}: {doubtful} mails in doubt are tried again; deliver again", permanent=False)
        if not again and (until := ledger.held_until(engine, shard)):
            raise Waiting(f"{shard}: another worker holds the rest and has not answered", why="in_hand", until=until)
        return counts

    def _mails(self, shard: Shard, claimed: ledger.Claim, now: Clock) -> list[Mail]:
        with self._or_given_back(claimed, now):
            return [self.mail(who) for who in self.desk.people(shard, State.CLAIMED, only=claimed.messages)]

    def _suppress(self, gone: list[Mail], at: datetime) -> None:
        """Addresses that do not exist, as the mail server said at once. Before its answer is settled: it must not be
        lost."""
        house = self.desk.house
        never_again = [
            Suppression(Channel.EMAIL, suppressions.email(mail.to_address), SuppressionReason.HARD_BOUNCE, "smtp")
            for mail in gone
        ]
        suppressions.add(house.engine, never_again, key=house.mark_key, at=at)

    def _bounced(self, gone: list[Mail], at: datetime) -> None:
        house = self.desk.house
        told = [
            Event(UUID(mail.message_id), OutcomeKind.HARD_BOUNCE, at, "smtp", f"{mail.message_id}:hard_bounce")
            for mail in gone
        ]
        outcomes.record(house.engine, told, rules=house.shop.breaker, at=at)

    @contextmanager
    def _or_given_back(self, claimed: ledger.Claim, now: Clock) -> Iterator[None]:
        """Where something fails before any of the claimed mails has left, the claim is given back."""
        try:
            yield
        except BaseException:
            back = (Outcome(one, State.PLANNED) for one in claimed.messages)
            self.desk.settle(back, now(), claimed.counted)
            raise

    def journal(self, shard: Shard) -> Journal:
        return Journal(self.desk.work / "claims" / f"email-{shard.number:03}.log")

    def _claim(self, shard: Shard, *, on: date, now: Clock, after: int) -> ledger.Claim:
        """A claim, noted in the journal before anything leaves. Waiting outside the campaign's hours."""
        if (opens := self.desk.open_at(now())) is not None:
            hours = self.desk.run.campaign.window.hours
            raise Waiting(f"{shard.run_id}: mails leave {hours} only", why="outside_hours", until=opens)
        again, at = self.sender.idempotent, now()
        allowance = None if again else Allowance.of(self.desk.house.shop, at)
        asked = partial(self.desk.claim, shard, on=on, at=at, most=CLAIM, again=again, allowance=allowance)
        claimed = asked(after=after)
        if not claimed and after:  # what another worker has given back stands further up
            claimed = asked()
        if claimed.messages and not again:
            with self._or_given_back(claimed, now):
                self.journal(shard).add(claimed.messages)
        return claimed

    def unsubscribe_url(self, who: Recipient) -> str:
        return self.desk.house.unsubscribe_url(who.message_id)

    def preferences_url(self, who: Recipient) -> str | None:
        return self.desk.house.preferences_url(who.message_id)

    def mail(self, who: Recipient) -> Mail:
        key = (who.template, who.language)
        if key not in self._templates:
            self._templates[key] = EmailTemplate.load(who.template, who.language, self.desk.house.shop)  # type: ignore[arg-type]
        link = self.unsubscribe_url(who)
        content = self._templates[key].render(
            {
                "customer": who.customer,
                "salutation": salutation(
                    who.customer["civility"],
                    who.customer["first_name"],
                    who.customer["last_name"],
                    who.language,
                    channel="email",
                ),
                "facts": self.desk.facts_words(who),
                "offer": self.desk.offer_words(who),
                "unsubscribe_url": link,
                "preferences_url": self.preferences_url(who),
            }
        )
        return Mail(
            message_id=str(who.message_id),
            to_name=who.customer["name"],
            to_address=who.row["email"],
            subject=content.subject,
            text=content.text,
            html=content.html,
            language=who.language,  # type: ignore[arg-type]
            unsubscribe_url=link,
            origin=self.origin,
        )


_TO_RCPT = re.compile(r"SMTP: 5\d\d (\S+) to RCPT")


def _no_such_address(receipt: Receipt) -> bool:
    """Whether a mail server said so when it heard the address (RFC 3463: the codes that a report would give)."""
    if receipt.status is not Status.REFUSED:
        return False
    found = _TO_RCPT.fullmatch(receipt.reason or "")
    return found is not None and found[1] in NO_SUCH_ADDRESS


def _outcome(receipt: Receipt) -> Outcome:
    state = State.PLANNED if receipt.status is Status.HELD else State(receipt.status)
    return Outcome(UUID(receipt.message_id), state, receipt.provider_id, receipt.reason)


class Calls:
    """One list a run, ranked: lines for the call desk, and the same as a workbook and a CSV in `calls/`."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._scripts: dict[tuple[str, str], CallScript] = {}
        language = desk.house.shop.language
        self._words: Mapping[str, str] = read_words(CALLS / f"list.{language}.yaml", language)["facts"]

    def render(self, shard: Shard) -> Counts:
        digest, calls = sha256(), 0
        for who in self.desk.waiting(shard, State.PLANNED, State.CLAIMED):
            digest.update(repr(self.row(who)).encode())
            calls += 1
        self.desk.keep_content(shard, digest.hexdigest(), calls)
        return {"calls": calls}

    def deliver(self, shard: Shard, *, on: date, now: Clock) -> Counts:
        self.desk.check(shard)
        claimed = self.desk.claim(shard, on=on, at=now(), most=1_000_000, again=True)
        if not claimed.messages:
            return {"accepted": 0, "cancelled": claimed.cancelled}
        people = list(self.desk.people(shard, State.CLAIMED, only=claimed.messages))
        name = f"{self.desk.run.campaign.name}-{self.desk.run.on}"
        folder = self.desk.house.out / "calls"
        call_lists.open_lines(self.desk.house, shard.run_id, people, at=now())
        write_call_list(
            (self.row(who) for who in people),
            folder / f"{name}.xlsx",
            folder / f"{name}.csv",
            shop=self.desk.house.shop,
            on=self.desk.run.on,
        )
        accepted = (Outcome(one, State.ACCEPTED, provider_id=name) for one in claimed.messages)
        return {"accepted": self.desk.settle(accepted, now()), "cancelled": claimed.cancelled}

    def row(self, who: Recipient) -> CallRow:
        return CallRow(
            message_id=str(who.message_id),
            rank=who.position,
            customer_id=who.customer_id,
            name=who.customer["name"],
            phone=who.row["phone"],
            language=who.language,
            best_time=lawful_hours(self.desk.house.shop, who, self.desk.run.on),
            last_purchase=who.facts.last_day,
            favourite=self.desk.favourite(who),
            value_cents=who.facts.lifetime_cents,
            why=self._why(who),
            consent_until=who.row["valid_until"],
            offer_code=grouped(who.offer_code),
            script=self._script(who).render(
                {
                    "customer": who.customer,
                    "facts": self.desk.facts_words(who),
                    "offer": self.desk.offer_words(who),
                }
            ),
        )

    def _why(self, who: Recipient) -> list[str]:
        shop, facts = self.desk.house.shop, who.facts
        each = money(facts.lifetime_cents // max(facts.lifetime_days, 1), shop.currency, shop.language)
        said = {"visits": str(facts.lifetime_days), "each": each, "liked": ", ".join(facts.favourites)}
        colon = f"{NO_BREAK}:" if shop.language == "fr" else ":"
        return [f"{self._words[name]}{colon} {value}" for name, value in said.items() if value]

    def _script(self, who: Recipient) -> CallScript:
        key = (who.template, who.language)
        if key not in self._scripts:
            self._scripts[key] = CallScript.load(who.template, who.language, self.desk.house.shop)  # type: ignore[arg-type]
        return self._scripts[key]


def lawful_hours(shop: Shop, who: Recipient, on: date) -> str:
    """When a customer may be rung, by the shop's clock, on a day like `on`: the law's hours are those of the clock of
    the person called. Empty where no law is known."""
    law, timezone = call_gate.law_of(shop, who.row), who.row["timezone"]
    if law is None or not timezone:
        return ""

    def here(wall: time) -> str:
        return f"{datetime.combine(on, wall, ZoneInfo(timezone)).astimezone(shop.tz):%H:%M}"

    return ", ".join(f"{here(first)}–{here(last)}" for first, last in law.profile.hours)
