"""Letters from the ledger to the print shop: a shard is a lot, made in the run's folder and handed over whole.

Made twice it is made once: the same letters are the same bytes, and what the print shop has it is not given again. So
whoever comes after a dead worker takes up what that one held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import date
from functools import cached_property
from pathlib import Path
from uuid import UUID

from habitue import ledger, lot_book
from habitue.addresses import address_lines
from habitue.bindery import Bindery
from habitue.campaigns import Way
from habitue.desk import Clock, Counts, Desk
from habitue.hand_over import LetterService, open_service
from habitue.ledger import Outcome
from habitue.letter_previews import in_its_envelope
from habitue.letters import Letter, Press, compose
from habitue.lots import SAMPLE, Lot
from habitue.plans import Shard
from habitue.recipients import Recipient
from habitue.tables import Channel, State
from habitue.texts import Text, load_text, long_date


class Letters:
    """One lot a shard: made in the run's folder, handed over whole (see `lots` and `hand_over`)."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.press = Press(desk.house.shop, on=desk.run.on)
        self._texts: dict[Path, Text] = {}

    @cached_property
    def bindery(self) -> Bindery:
        return Bindery(
            run=self.desk.run,
            shop=self.desk.house.shop,
            press=self.press,
            folder=self.desk.work / "letters",
            key=self.desk.house.mark_key,
            compose=self._letter,
            lines=self._lines,
            copy=_copy_of,
        )

    def render(self, shard: Shard) -> Counts:
        lot = self._make(shard, lambda: self.desk.waiting(shard, State.PLANNED, State.CLAIMED))
        if lot.letters:
            self.desk.keep_content(shard, lot.pdf_sha256, len(lot.message_ids))
        return {"letters": len(lot.letters), "pages": sum(one.pages for one in lot.letters)}

    def deliver(self, shard: Shard, *, on: date, now: Clock) -> Counts:
        """Hands the shard's lot over, without those who have said no since it was made.

        What a dead worker had handed over whole is not asked again: those letters have left.
        """
        self.desk.check(shard)
        with closing(self._print_shop()) as printer:
            left = self._left_before(shard, printer, now)
            claimed = self.desk.claim(shard, on=on, at=now(), most=1_000_000, again=True)
            if not claimed.messages:
                return {"accepted": left, "cancelled": claimed.cancelled}
            lot = self.bindery.made(shard.number)
            if lot is None or lot.message_ids != {str(one) for one in claimed.messages}:
                # Someone said no after the letters were made: they are printed again without hers.
                lot = self._make(shard, lambda: self.desk.people(shard, State.CLAIMED, only=claimed.messages))
            if lot.letters:
                lot_book.keep(self.desk.house.engine, lot, printer.address, printer.submit(lot, lot.key), at=now())
        settled = left + self.desk.settle(_told(lot), now()) - len(lot.refused)
        return {"accepted": settled, "refused": len(lot.refused), "cancelled": claimed.cancelled}

    def reprint(self, number: int, people: Callable[[], Iterable[Recipient]], now: Clock) -> Lot:
        """Prints letters that have left before as a lot of their own and hands it over. The ledger is not asked."""
        with closing(self._print_shop()) as printer:
            lot = self.bindery.made(number)
            place = printer.taken(lot) if lot is not None and lot.letters else None
            if lot is None or place is None:
                lot = self.bindery.make(number, people)
                place = printer.submit(lot, lot.key) if lot.letters else None
            if place is not None:
                lot_book.keep(self.desk.house.engine, lot, printer.address, place, at=now())
        return lot

    def picture(self, who: Recipient) -> bytes:
        """The letter as a PNG, for the run card."""
        return self.press.picture(self._letter(who, SAMPLE))

    def in_its_envelope(self, who: Recipient) -> bytes:
        """The same with the envelope over it. Unprintable where the letter can't be set."""
        return in_its_envelope(self.press, self._letter(who, SAMPLE))

    def _left_before(self, shard: Shard, printer: LetterService, now: Clock) -> int:
        """Letters that a worker handed over and did not settle."""
        engine = self.desk.house.engine
        if ledger.held_until(engine, shard) is None or (lot := self.bindery.made(shard.number)) is None:
            return 0
        if not lot.letters or (place := printer.taken(lot)) is None:
            return 0
        lot_book.keep(engine, lot, printer.address, place, at=now())
        told = list(_told(lot))
        settled = ledger.settle(engine, told, worker=None, at=now())
        self.desk.tell(told)
        return settled - len(lot.refused)

    def _print_shop(self) -> LetterService:
        house = self.desk.house
        return open_service(house.shop.letters, password=house.letters_password, letters=house.out / "letters")

    def _make(self, shard: Shard, people: Callable[[], Iterable[Recipient]]) -> Lot:
        return self.bindery.make(shard.number, people)

    def _letter(self, who: Recipient, sequence: str) -> Letter:
        offer = self.desk.offer_words(who)
        last, until = who.facts.last_day, offer["valid_until"]
        return compose(
            self._text(who),
            message_id=str(who.message_id),
            reference=who.message_id.hex[:10].upper(),
            sequence=sequence,
            address=self._lines(who),
            customer=who.customer,
            facts={**self.desk.facts_words(who), "last_purchase": last and long_date(last, who.language)},
            offer={**offer, "valid_until": long_date(until, who.language) if isinstance(until, date) else until},
            offer_url=self.desk.offer_url(who),
            shop=self.desk.house.shop,
            on=self.desk.run.on,
        )

    def _lines(self, who: Recipient) -> tuple[str, ...]:
        return postal_lines(who, home=self.desk.house.shop.country)

    def _text(self, who: Recipient) -> Text:
        path = _copy_of(who)
        if path not in self._texts:
            self._texts[path] = load_text(path)
        return self._texts[path]


def _copy_of(who: Recipient) -> Path:
    return Way(channel=Channel.LETTER, template=who.template).file(who.language)


def _told(lot: Lot) -> Iterator[Outcome]:
    """What the ledger is told of a lot that was handed over."""
    for one in lot.letters:
        yield Outcome(
            UUID(one.letter_id),
            State.ACCEPTED,
            provider_id=lot.name,
            pages=one.pages,
            first_page=one.first_page,
        )
    for message_id, reason in lot.refused.items():
        yield Outcome(UUID(message_id), State.REFUSED, reason=reason)


def postal_lines(who: Recipient, *, home: str) -> tuple[str, ...]:
    """The address block of a letter; `home` is the country it is posted in."""
    row = who.row
    return address_lines(
        row["civility"],
        row["first_name"],
        row["last_name"],
        row["address_extra"],
        row["street"],
        row["postcode"],
        row["city"],
        row["country"],
        language=who.language,
        home=home,
    )
