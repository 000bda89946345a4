"""The quarterly report by e-mail, to those whom the shop names (`report.to`), through the shop's own sender.

It is no campaign: the ledger does not hear of it. What was handed over is noted beside the files, so that a task that
is tried again sends to nobody twice; whether a mail in doubt arrived is for its reader to say.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import blake2b

from markupsafe import escape

from habitue.errors import SettingError
from habitue.house import House
from habitue.mime import Attachment, Mail, Origin, check
from habitue.providers import open_sender
from habitue.quarterly_files import Made
from habitue.quarterly_words import report_words
from habitue.quarters import Quarter
from habitue.senders import Receipt, Status, replace_file
from habitue.settings import Language
from habitue.shop import Shop

KINDS = {".pdf": "application/pdf", ".html": "text/html", ".csv": "text/csv"}
NOTE = "sent.json"
"""Beside the files: to which mails (by their id) the sender has answered what."""
DONE = (Status.ACCEPTED, Status.UNKNOWN)
"""Answers after which a mail is not sent again."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How many were handed over now, how many had been before, and what became of the others."""

    accepted: int
    before: int
    others: Sequence[Receipt]


def mails(house: House, made: Made, *, at: datetime) -> list[Mail]:
    """One to each of `report.to`. SettingError where nobody is named; SendError where an address is none."""
    shop = house.shop
    if not shop.report.to:
        raise SettingError("shop.yaml: report.to names nobody: write addresses there, or send the files yourself")
    attachments = tuple(Attachment(file.name, KINDS[file.suffix], file.read_bytes()) for file in made.files)
    text, html = _text(made, shop, shop.language), _html(made, shop)
    found = [
        Mail(
            message_id=_id(made.quarter, to),
            to_name="",
            to_address=to,
            subject=report_words(shop.language)["mail"]["subject"].format(
                shop=shop.name, quarter=made.quarter.said(shop.language)
            ),
            text=text,
            html=html,
            language=shop.language,
            unsubscribe_url="",
            origin=Origin.of(shop, "report", at),
            attachments=attachments,
            internal=True,
        )
        for to in dict.fromkeys(shop.report.to)
    ]
    for mail in found:
        check(mail)
    return found


def send(house: House, made: Made, *, at: datetime) -> Sent:
    """Hands over what was not before. SendError where the sender gives up; what it had taken by then is noted."""
    note = made.folder / NOTE
    known: dict[str, str] = json.loads(note.read_text()) if note.exists() else {}
    everyone = mails(house, made, at=at)
    waiting = [mail for mail in everyone if known.get(mail.message_id) not in DONE]
    if not waiting:
        return Sent(0, len(everyone), [])
    with closing(open_sender(house.shop, house.access, out=house.out)) as sender:
        answer = sender.send(waiting)
    known |= {one.message_id: str(one.status) for one in answer.receipts}
    replace_file(note, (json.dumps(known, indent=1, sort_keys=True) + "\n").encode())
    if answer.stopped:
        raise answer.stopped
    accepted = [one for one in answer.receipts if one.status is Status.ACCEPTED]
    others = [one for one in answer.receipts if one.status is not Status.ACCEPTED]
    return Sent(len(accepted), len(everyone) - len(waiting), others)


def _id(quarter: Quarter, to: str) -> str:
    """The same for the same quarter and reader: a mail sent again is the same mail. No address stands in it."""
    return f"report-{quarter}-{blake2b(to.lower().encode(), digest_size=8).hexdigest()}"


def _text(made: Made, shop: Shop, language: Language) -> str:
    say = report_words(language)
    names = "\n".join(f"- {file.name}" for file in made.files)
    return f"{say['mail']['hello']}\n\n{names}\n\n{say['mail']['more']}\n\n{shop.name}\n"


def _html(made: Made, shop: Shop) -> str:
    """The report itself in the shop's language: it is read where it arrives."""
    page = next(file for file in made.files if file.name.endswith(f".{shop.language}.html")).read_text("utf-8")
    hello = report_words(shop.language)["mail"]["hello"]
    return page.replace("<main>", f'<main>\n<p class="note">{escape(hello)}</p>', 1)


def first_working_day(quarter: Quarter, country: str) -> date:
    """Of the quarter after it: no weekend, and no public holiday of the shop's country."""
    import holidays

    day = quarter.after.first
    try:
        off = holidays.country_holidays(country, years=day.year)
    except NotImplementedError:  # a country that the package does not know
        off = holidays.HolidayBase()
    while day.weekday() >= 5 or day in off:
        day += timedelta(days=1)
    return day
