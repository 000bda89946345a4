"""Samples of a run to look at: letters as pictures with the envelope laid over, mails and scripts as they are.

They are real customers' messages, made once and kept in `previews/` of HABITUE_OUT, where an erasure and retention take
them away. Links in them unsubscribe nobody.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from habitue.deliveries import Calls, Emails
from habitue.desk import Desk
from habitue.errors import HabitueError
from habitue.house import House
from habitue.letters import Unprintable
from habitue.plans import Shard
from habitue.print_room import Letters
from habitue.recipients import Recipient
from habitue.senders import Outbox, replace_file
from habitue.statements import statement
from habitue.tables import Channel, State

MOST = 8
"""Samples a channel."""
LOOKED_AT = 200
"""Messages of a shard among which samples are sought."""
SILENT = 120
"""Seconds without a new sample after which whoever made them is given up."""

ENDINGS = {Channel.LETTER: ".png", Channel.EMAIL: ".html", Channel.CALL: ".txt"}
REFUSED = ".refused"


@dataclass(frozen=True, slots=True)
class Sample:
    """One message of a run that is shown. `file`: where it lies once it is made."""

    message_id: UUID
    channel: Channel
    shard: int
    segment: str
    arm: str | None
    language: str
    template: str
    file: Path

    @property
    def made(self) -> bool:
        return self.file.exists() or self.refused is not None

    @property
    def refused(self) -> str | None:
        """The rule by which it can't be made."""
        told = self.file.with_suffix(REFUSED)
        return told.read_text("utf-8") if told.exists() else None


def samples(house: House, run_id: str) -> list[Sample]:
    """Those of the run, made or not: of each channel a few, each of another group, arm or language."""
    asked = {"run_id": run_id, "most": MOST, "looked_at": LOOKED_AT}
    with house.engine.connect() as connection:
        rows = connection.execute(statement("runs/samples"), asked).all()
    return [
        Sample(
            row.message_id,
            Channel(row.channel),
            row.shard,
            row.segment,
            row.arm,
            row.language,
            row.template,
            _stem(house, run_id, row.message_id).with_suffix(ENDINGS[Channel(row.channel)]),
        )
        for row in rows
    ]


def _stem(house: House, run_id: str, message_id: UUID) -> Path:
    return house.out / "previews" / f"{run_id.replace(':', '-')}_{message_id}"


def under_way(house: House, run_id: str) -> bool:
    """Whether somebody makes them now, and has not died over it."""
    marker = _marker(house, run_id)
    marker.parent.mkdir(parents=True, exist_ok=True)
    try:
        made = marker.stat().st_mtime
    except FileNotFoundError:
        return False
    with tempfile.TemporaryFile(dir=marker.parent) as now:  # the file system's clock, as the marker's
        return os.fstat(now.fileno()).st_mtime - made < SILENT


def begin(house: House, run_id: str) -> bool:
    """Says that somebody is about to make them; False where another does."""
    if under_way(house, run_id):
        return False
    _marker(house, run_id).touch()
    return True


def _marker(house: House, run_id: str) -> Path:
    return house.out / "previews" / f"{run_id.replace(':', '-')}.making"


def make(house: House, run_id: str) -> int:
    """Makes those that are missing, one after the other; returns how many. What can't be made is told instead."""
    missing = [one for one in samples(house, run_id) if not one.made]
    marker = _marker(house, run_id)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    # Signed with a key that is nobody's: a link in a sample unsubscribes no one.
    nobodys = replace(house, secret_setting="a sample signs nothing", newer_token_keys=())  # noqa: S106
    try:
        for one in missing:
            _make(nobodys, run_id, one)
            marker.touch()
    finally:
        nobodys.engine.dispose()
        marker.unlink(missing_ok=True)
    return len(missing)


def _make(house: House, run_id: str, one: Sample) -> None:
    shard = Shard(run_id, one.channel, one.shard)
    desk = Desk.of(house, shard)
    who = next(desk.people(shard, *State, only=frozenset({one.message_id})), None)
    if who is None:
        return
    try:
        _keep(one.file, _content(desk, one.channel, who))
    except (HabitueError, Unprintable) as error:
        _keep(one.file.with_suffix(REFUSED), str(error).encode())


def _content(desk: Desk, channel: Channel, who: Recipient) -> bytes:
    match channel:
        case Channel.LETTER:
            return Letters(desk).in_its_envelope(who)
        case Channel.EMAIL:
            with closing(Outbox(desk.house.out)) as outbox:
                return Emails(desk, outbox).mail(who).html.encode()
        case Channel.CALL:
            return Calls(desk).row(who).script.encode()


def _keep(file: Path, content: bytes) -> None:
    """For its owner's eyes."""
    replace_file(file, content)
    file.chmod(0o600)
