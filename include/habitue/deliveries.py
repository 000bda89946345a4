"""From the ledger to the world: each channel makes its messages (`render`), then lets them go (`deliver`).

`render` makes everything once and sends nothing, so that a text that can't be rendered stops the run before anyone is
written to. `deliver` claims before it sends and settles after; what a dead worker left behind is taken up again only
where making a thing twice makes it once: a letter's file, a call list, a mail in the outbox.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, RowMapping

from habitue import controls, ledger, tokens
from habitue.addresses import address_lines
from habitue.calls import FOLDER as CALLS
from habitue.calls import CallRow, CallScript, read_words, write_call_list
from habitue.campaigns import Way
from habitue.emails import EmailTemplate
from habitue.errors import SendError, Waiting
from habitue.house import House
from habitue.journal import Journal
from habitue.ledger import Outcome
from habitue.letters import Letter, Press, PrintedRow, compose, write_letters
from habitue.mime import Mail, Origin, write
from habitue.plans import Shard
from habitue.providers import open_sender
from habitue.recipients import Recipient, Run, recipients
from habitue.salutations import salutation
from habitue.senders import Receipt, Sender, Status, replace_file
from habitue.shop import Shop
from habitue.tables import Channel, RunState, State
from habitue.texts import NO_BREAK, Text, load_text, long_date, money, typography

CLAIM = 500
"""Mails claimed at a time: a worker that dies leaves at most so many in doubt."""

Clock = Callable[[], datetime]
Counts = dict[str, int]


class Delivery(Protocol):
    def render(self, shard: Shard) -> Counts: ...
    def deliver(self, shard: Shard, *, on: date, now: Clock) -> Counts: ...


@dataclass(frozen=True)
class Desk:
    """What the three channels share: the house, the run, and who the worker is."""

    house: House
    run: Run
    worker: str
    connection: Connection | None = None
    """read people over this one: a rehearsal's are in no other"""

    @classmethod
    def of(cls, house: House, shard: Shard) -> Desk:
        return cls(house, Run.of(house.engine, shard.run_id), f"worker-{uuid4().hex[:12]}")

    @property
    def work(self) -> Path:
        return run_folder(self.house, self.run)

    def people(self, shard: Shard, *states: State, only: frozenset[UUID] | None = None) -> Iterator[Recipient]:
        return recipients(
            self.connection or self.house.engine,
            shard,
            facts=self.work / "facts.parquet",
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

    def claim(self, shard: Shard, *, on: date, at: datetime, most: int, again: bool, after: int = 0) -> ledger.Claim:
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
        )
        if claimed.shut and claimed.shut != RunState.CANCELLED:
            raise Waiting(_waits(shard.run_id, claimed), why=claimed.shut)
        return claimed

    def keep_content(self, shard: Shard, digest: str, messages: int) -> None:
        """What the shard's messages came out as, the first time that all of them were made."""
        ledger.keep_content(self.house.engine, shard, digest, messages)

    def settle(self, outcomes: Iterable[Outcome], at: datetime) -> int:
        return ledger.settle(self.house.engine, list(outcomes), worker=self.worker, at=at)

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


def run_folder(house: House, run: Run) -> Path:
    """Where a run keeps what it was made from and what it is making."""
    return house.out / "runs" / run.campaign.name / run.on.isoformat()


def grouped(code: str) -> str:
    """A code as it is read out: two halves with a hyphen."""
    return f"{code[:5]}-{code[5:]}"


def lot_name(shard: Shard) -> str:
    """`LOT-quarterly_letter-2026-10-01-001`: one PDF for the print shop."""
    campaign, day = shard.run_id.split(":")
    return f"LOT-{campaign}-{day}-{shard.number:03}"


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


class Letters:
    """One PDF a shard. Rendered into the run's folder, handed over by renaming a finished copy into `letters/`."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.press = Press(desk.house.shop, on=desk.run.on)
        self._texts: dict[Path, Text] = {}

    def render(self, shard: Shard) -> Counts:
        rows = self._print(shard, self.desk.waiting(shard, State.PLANNED, State.CLAIMED))
        if self._file(shard).exists():
            self.desk.keep_content(shard, sha256(self._file(shard).read_bytes()).hexdigest(), len(rows))
        return {"letters": sum(not row.refused for row in rows), "pages": sum(row.pages for row in rows)}

    def deliver(self, shard: Shard, *, on: date, now: Clock) -> Counts:
        self.desk.check(shard)
        claimed = self.desk.claim(shard, on=on, at=now(), most=1_000_000, again=True)
        if not claimed.messages:
            return {"accepted": 0, "cancelled": claimed.cancelled}
        lot, rows = self._file(shard), self._rendered(shard)
        as_claimed = {row.message_id for row in rows} == {str(one) for one in claimed.messages}
        if not as_claimed or not lot.exists():
            # Someone said no after the letters were made: they are printed again without hers.
            rows = self._print(shard, self.desk.people(shard, State.CLAIMED, only=claimed.messages))
        if any(not row.refused for row in rows):
            folder = self.desk.house.out / "letters"
            folder.mkdir(parents=True, exist_ok=True)
            replace_file(folder / lot.name, lot.read_bytes())
        settled = self.desk.settle((self._outcome(shard, row) for row in rows), now())
        refused = sum(row.refused is not None for row in rows)
        return {"accepted": settled - refused, "refused": refused, "cancelled": claimed.cancelled}

    def picture(self, who: Recipient) -> bytes:
        """The letter as a PNG, for the run card."""
        return self.press.picture(self._letter(who, "—"))

    def _print(self, shard: Shard, people: Iterable[Recipient]) -> list[PrintedRow]:
        lot = self._file(shard)
        lot.parent.mkdir(parents=True, exist_ok=True)
        letters = (self._letter(who, f"{lot.stem.removeprefix('LOT-')}-{who.position:06}") for who in people)
        rows = write_letters(lot, letters, self.press)
        lot.with_suffix(".json").write_text(json.dumps([asdict(row) for row in rows]))
        return rows

    def _rendered(self, shard: Shard) -> list[PrintedRow]:
        file = self._file(shard).with_suffix(".json")
        return [PrintedRow(**row) for row in json.loads(file.read_text())] if file.exists() else []

    def _file(self, shard: Shard) -> Path:
        return self.desk.work / "letters" / f"{lot_name(shard)}.pdf"

    def _letter(self, who: Recipient, sequence: str) -> Letter:
        offer = self.desk.offer_words(who)
        last, until = who.facts.last_day, offer["valid_until"]
        return compose(
            self._text(who),
            message_id=str(who.message_id),
            reference=who.message_id.hex[:10].upper(),
            sequence=sequence,
            address=postal_lines(who, home=self.desk.house.shop.country),
            customer=who.customer,
            facts={**self.desk.facts_words(who), "last_purchase": last and long_date(last, who.language)},
            offer={**offer, "valid_until": long_date(until, who.language) if isinstance(until, date) else until},
            offer_url=self.desk.offer_url(who),
            shop=self.desk.house.shop,
            on=self.desk.run.on,
        )

    def _text(self, who: Recipient) -> Text:
        path = Way(channel=Channel.LETTER, template=who.template).file(who.language)
        if path not in self._texts:
            self._texts[path] = load_text(path)
        return self._texts[path]

    def _outcome(self, shard: Shard, row: PrintedRow) -> Outcome:
        if row.refused:
            return Outcome(UUID(row.message_id), State.REFUSED, reason=row.refused)
        return Outcome(
            UUID(row.message_id),
            State.ACCEPTED,
            provider_id=lot_name(shard),
            pages=row.pages,
            first_page=row.first_page,
        )


def postal_lines(who: Recipient, *, home: str) -> tuple[str, ...]:
    """The address block of a letter; `home` is the country it is posted in."""
    return postal_lines_of(who.row, who.language, home=home)


def postal_lines_of(row: RowMapping, language: str, *, home: str) -> tuple[str, ...]:
    """The address block from a customer's columns."""
    return address_lines(
        row["civility"],
        row["first_name"],
        row["last_name"],
        row["address_extra"],
        row["street"],
        row["postcode"],
        row["city"],
        row["country"],
        language=language,
        home=home,
    )


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
        with closing(self.sender):
            after = 0
            while claimed := self._claim(shard, on=on, now=now, after=after):
                after = claimed.last
                counts["cancelled"] += claimed.cancelled
                answer = self.sender.send(self._mails(shard, claimed.messages, now))
                self.desk.settle((_outcome(receipt) for receipt in answer.receipts), now())
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

    def _mails(self, shard: Shard, claimed: frozenset[UUID], now: Clock) -> list[Mail]:
        with self._or_given_back(claimed, now):
            return [self.mail(who) for who in self.desk.people(shard, State.CLAIMED, only=claimed)]

    @contextmanager
    def _or_given_back(self, claimed: frozenset[UUID], now: Clock) -> Iterator[None]:
        """Where something fails before any of the claimed mails has left, the claim is given back."""
        try:
            yield
        except BaseException:
            self.desk.settle((Outcome(one, State.PLANNED) for one in claimed), now())
            raise

    def journal(self, shard: Shard) -> Journal:
        return Journal(self.desk.work / "claims" / f"email-{shard.number:03}.log")

    def _claim(self, shard: Shard, *, on: date, now: Clock, after: int) -> ledger.Claim:
        """A claim, noted in the journal before anything leaves. Waiting outside the campaign's hours."""
        window = self.desk.run.campaign.window
        if (opens := window.open_at(now(), self.desk.house.shop.tz)) is not None:
            raise Waiting(f"{shard.run_id}: mails leave {window.hours} only", why="outside_hours", until=opens)
        again = self.sender.idempotent
        claimed = self.desk.claim(shard, on=on, at=now(), most=CLAIM, again=again, after=after)
        if not claimed and after:  # what another worker has given back stands further up
            claimed = self.desk.claim(shard, on=on, at=now(), most=CLAIM, again=again)
        if claimed.messages and not again:
            with self._or_given_back(claimed.messages, now):
                self.journal(shard).add(claimed.messages)
        return claimed

    def unsubscribe_url(self, who: Recipient) -> str:
        return self.desk.house.shop.sender.unsubscribe_url + tokens.sign(who.message_id, self.desk.house.secret)

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


def _outcome(receipt: Receipt) -> Outcome:
    state = State.PLANNED if receipt.status is Status.HELD else State(receipt.status)
    return Outcome(UUID(receipt.message_id), state, receipt.provider_id, receipt.reason)


class Calls:
    """One list a run, ranked: a workbook and a CSV in `calls/`."""

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
        people = self.desk.people(shard, State.CLAIMED, only=claimed.messages)
        name = f"{self.desk.run.campaign.name}-{self.desk.run.on}"
        folder = self.desk.house.out / "calls"
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
            best_time=lawful_hours(self.desk.house.shop, who.row["timezone"], self.desk.run.on),
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


def lawful_hours(shop: Shop, timezone: str | None, on: date) -> str:
    """When a customer may be rung, by the shop's clock: `hours` of the desk are those of the customer's own time zone
    (D. 223-9 C. conso)."""
    local = ZoneInfo(timezone or shop.timezone)

    def here(found: re.Match[str]) -> str:
        moment = datetime(on.year, on.month, on.day, int(found[1]), int(found[2]), tzinfo=local)
        return f"{moment.astimezone(shop.tz):%H:%M}"

    return re.sub(r"(\d\d):(\d\d)", here, shop.calls.hours)
