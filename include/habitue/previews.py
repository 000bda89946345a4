"""What a run will send, to be looked at before anybody says yes: some mails in a small outbox of their own, and the run
card with some letters. They are real messages, so they stand where the ones that left do, behind Airflow's login."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import islice

from habitue import summaries
from habitue.deliveries import Desk, Emails
from habitue.house import House
from habitue.plans import shards
from habitue.questions import previews_folder
from habitue.recipients import Recipient, Run
from habitue.senders import ListedMail, Outbox, Status, write_index
from habitue.tables import Channel, State

MOST = 12
"""Sample mails of a run."""
LOOKED_AT = 200
"""Mails of a shard among which samples are sought."""


class SampleEmails(Emails):
    def unsubscribe_url(self, who: Recipient) -> str:
        """A link that unsubscribes nobody: whoever looks at a sample may click on it."""
        return f"{self.desk.house.shop.sender.unsubscribe_url}sample"

    def preferences_url(self, who: Recipient) -> str | None:
        return f"{self.desk.house.shop.sender.preferences_url}sample"


def write_previews(house: House, run_id: str) -> int:
    """Writes both; returns the number of sample mails, each of another group, arm or language."""
    one = Run.of(house.engine, run_id)
    folder = house.out / "emails" / previews_folder(run_id)
    shutil.rmtree(folder, ignore_errors=True)
    listed = []
    for who, emails in islice(_each_kind(house, run_id), MOST):
        (receipt,) = emails.sender.send([emails.mail(who)]).receipts
        if receipt.status is Status.ACCEPTED:
            listed.append(ListedMail(receipt.message_id, who.segment, one.campaign.name))
    if listed:
        write_index(folder, listed, shop=house.shop)
    summaries.write_all(house, on=one.on)
    return len(listed)


def _each_kind(house: House, run_id: str) -> Iterator[tuple[Recipient, Emails]]:
    seen: set[tuple[str, str | None, str]] = set()
    for shard in shards(house.engine, run_id):
        if shard.channel is not Channel.EMAIL:
            continue
        desk = Desk.of(house, shard)
        emails = SampleEmails(desk, Outbox(house.out / "emails" / previews_folder(run_id)))
        for who in islice(desk.people(shard, State.PLANNED, State.CLAIMED), LOOKED_AT):
            if (kind := (who.segment, who.arm, who.language)) not in seen:
                seen.add(kind)
                yield who, emails
