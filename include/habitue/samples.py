"""Samples of a rehearsed plan: real customers' letters, mails and call scripts, as the channels themselves make them.

They are for the eyes of who looks at the rehearsal's page, and stand nowhere else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection

from habitue.campaigns import Campaign
from habitue.deliveries import Calls, Desk, Emails, run_folder
from habitue.facts import write_facts
from habitue.house import House
from habitue.letters import Unprintable
from habitue.plans import Shard
from habitue.print_room import Letters
from habitue.recipients import Recipient, Run
from habitue.rehearsals import Rehearsal
from habitue.senders import Outbox
from habitue.statements import statement
from habitue.tables import Channel, State

MOST = 6
"""Samples a channel."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One message of the plan as its customer would get it."""

    channel: Channel
    segment: str
    arm: str | None
    language: str
    picture: bytes | None = None
    """a letter's first page, PNG"""
    refused: str | None = None
    """the rule by which this letter can't be printed"""
    subject: str = ""
    html: str = ""
    text: str = ""


def sampled(
    house: House, connection: Connection, found: Rehearsal, campaign: Campaign
) -> tuple[Desk, list[tuple[Channel, Recipient]]]:
    """Of whom samples are shown, read in the rehearsal's transaction, and the desk that makes their messages.

    The desk signs with a key that is nobody's: a link in a sample unsubscribes no one.
    """
    snapshot = house.lake.snapshot(found.snapshot_id)
    rows = connection.execute(statement("rehearsal/samples"), {"most": MOST}).all()
    with tempfile.TemporaryDirectory() as folder:
        nobodys = replace(house, out=Path(folder), secret_setting="a rehearsal signs nothing")  # noqa: S106
        run = Run(
            found.run_id,
            campaign,
            found.on,
            found.snapshot_id,
            found.rehearsed_at,
            found.audience,
            found.planned,
            found.held_out,
            found.excluded,
        )
        desk = Desk(nobodys, run, "rehearsal", connection)
        facts = run_folder(nobodys, run) / "facts.parquet"
        customers = [row.customer_id for row in rows]
        write_facts(customers, segments=snapshot.segments, orders=snapshot.orders, out=facts)
        people: dict[UUID, Recipient] = {}
        for channel, number in sorted({(row.channel, row.shard) for row in rows}):
            only = frozenset(row.message_id for row in rows if (row.channel, row.shard) == (channel, number))
            part = Shard(found.run_id, Channel(channel), number)
            people |= {who.message_id: who for who in desk.people(part, State.PLANNED, only=only)}
    return desk, [(channel, people[row.message_id]) for channel in Channel for row in rows if row.channel == channel]


def samples(desk: Desk, people: Iterable[tuple[Channel, Recipient]]) -> Iterator[Sample]:
    """Their messages. TemplateError where a text can't be rendered: a real run would stop there too."""
    letters, emails, calls = Letters(desk), Emails(desk, Outbox(desk.house.out)), Calls(desk)
    for channel, who in people:
        known = Sample(channel, who.segment, who.arm, who.language)
        match channel:
            case Channel.LETTER:
                try:
                    yield replace(known, picture=letters.picture(who))
                except Unprintable as found:
                    yield replace(known, refused=str(found))
            case Channel.EMAIL:
                mail = emails.mail(who)
                yield replace(known, subject=mail.subject, html=mail.html, text=mail.text)
            case Channel.CALL:
                yield replace(known, text=calls.row(who).script)
