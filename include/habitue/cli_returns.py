"""The commands for mail that comes back and for lists of suppressions: read, import, export, mirror."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from habitue.cli_holds import Reason, Way, suppress
from habitue.cli_runs import opened, say
from habitue.errors import MailboxError

if TYPE_CHECKING:
    from habitue.returns import Gathered

aside = Console(stderr=True, highlight=False)
returns = typer.Typer(help="Mail that comes back: bounces, complaints, wishes to stop.", no_args_is_help=True)
SHOWN = 20
"""Of what is left for a person; the others are counted."""


def mount(app: typer.Typer) -> None:
    """Adds the commands to the command line; those of `suppress` beside the others of that name."""
    app.add_typer(returns, name="returns")
    suppress.command("import")(import_list)
    suppress.command("export")(export_list)
    suppress.command("mirror")(mirror)


@returns.command("read")
def read(
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=1, help="With --follow: seconds between two looks.")] = 60,
) -> None:
    """Read the mailbox of sender.returns: keep what came of our mails, suppress who is not to be written to again.

    Mails that a person must read are left unread and listed by their key in the mailbox and the reason.
    """
    left: dict[str, str] = {}
    while True:
        try:
            found = _pass(left)
        except MailboxError as error:
            if not follow:
                raise
            say(f"{error}; it is tried again in {every:.0f} s")
        else:
            if found.read or not follow:
                _tell(found)
            left |= found.left
        if not follow:
            return
        time.sleep(every)


def _pass(left: dict[str, str]) -> Gathered:
    from contextlib import closing

    from habitue import mailboxes
    from habitue import returns as mail_returned

    with (
        opened() as (house, at),
        aside.status("opening the mailbox") as status,
        closing(mailboxes.open_mailbox(house.shop.sender.returns, house.imap_password)) as mailbox,
    ):
        return mail_returned.gather(
            house.engine,
            mailbox,
            key=house.mark_key,
            token_keys=house.token_keys,
            rules=house.shop.breaker,
            at=at,
            known=left.keys(),
            on_progress=lambda done: status.update(f"mails read: {done:,}"),
        )


def _tell(found: Gathered) -> None:
    from habitue.returns import RULES

    parts = " + ".join(f"{number} {what}" for what, number in sorted(found.became.items()))
    say(f"{found.read} read = {parts or '0'}")
    say(f"{found.suppressed} suppressed, {found.withdrawn} consents withdrawn, {found.settled} no more in doubt")
    for run_id, why in found.paused.items():
        say(f"{run_id} is paused: {why}")
    for key, rule in list(found.left.items())[:SHOWN]:
        say(f"  {key}: {RULES[rule]}")
    if len(found.left) > SHOWN:
        say(f"  and {len(found.left) - SHOWN} more")


def import_list(
    file: Annotated[
        Path,
        typer.Argument(
            help="One address or number a line; or CSV whose first line names columns: email, number, name, street, "
            "postcode, channel, reason; or what `habitue suppress export` wrote."
        ),
    ],
    channel: Annotated[Way, typer.Option(help="Of a file that names no columns.")] = "email",
    reason: Annotated[
        Reason | None, typer.Option(help="Where a row gives none; default: unsubscribed, of calls refused_calls.")
    ] = None,
    source: Annotated[str, typer.Option(help="Who says so: import, robinson, …")] = "import",
    quarantine: Annotated[
        Path | None, typer.Option(help="Where bad rows go; default: beside the file, as NAME.quarantine.csv.")
    ] = None,
) -> None:
    """Never use the addresses and numbers of a list again. Bad rows go to a file, with the rule and the fix."""
    from habitue import suppression_lists
    from habitue.tables import Channel, SuppressionReason

    with opened() as (house, at), aside.status("reading the list") as status:
        done = suppression_lists.read_list(
            house.engine,
            file,
            channel=Channel(channel),
            reason=SuppressionReason(reason) if reason else None,
            source=source,
            country=house.shop.country,
            key=house.mark_key,
            quarantine=quarantine or file.with_name(f"{file.stem}.quarantine.csv"),
            at=at,
            on_progress=lambda rows: status.update(f"rows read: {rows:,}"),
        )
        say(f"{done.rows} rows = {done.taken} taken + {done.quarantined} in quarantine")
        say(f"{done.named} named = {done.new} suppressed + {done.named - done.new} suppressed or named before")
        if done.quarantine is not None:
            say(f"→ {done.quarantine}")


def export_list(
    file: Annotated[Path, typer.Argument(help="The CSV file to write.")],
) -> None:
    """Write all suppressions as keyed marks: no address can be read from them, and an installation with the same
    HABITUE_SECRET can import them."""
    from habitue import suppression_lists

    with opened() as (house, _):
        written = suppression_lists.write_list(house.engine, file)
        say(f"{written} suppressions")
        say(f"→ {file}")


def mirror(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and compare, and change nothing on either side.")
    ] = False,
) -> None:
    """Bring SendGrid's own lists and ours together: what they know is suppressed here, and present customers who are
    suppressed here are put on their global list."""
    from habitue import suppression_mirror

    with opened() as (house, at), aside.status("reading SendGrid's lists") as status:
        done = suppression_mirror.mirror(
            house.engine,
            suppression_mirror.open_lists(house.shop.sender, house.access),
            key=house.mark_key,
            at=at,
            dry_run=dry_run,
            on_progress=status.update,
        )
    for name, count in done.lists.items():
        say(
            f"{name:<15} {count.entries} entries = {count.news} news + {count.known} known before + "
            f"{count.lifted} lifted here since + {count.unreadable} unreadable + {count.ignored} left alone"
        )
    would = "would be " if dry_run else ""
    say(f"{done.news} {would}suppressed here, {done.written} {would}written to SendGrid, {done.refused} refused there")
