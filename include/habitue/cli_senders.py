"""`habitue send-test`: one mail by the shop's own sender, to look at."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from habitue.errors import SendError

if TYPE_CHECKING:
    from habitue.house import House
    from habitue.trial_mails import Answer

console = Console(highlight=False, soft_wrap=True)


def say(text: str) -> None:
    console.print(text, markup=False)


def send_test(
    template: Annotated[str, typer.Argument(help="Below templates/emails, such as quarterly/lapsed.")],
    to: Annotated[str, typer.Option(help="The address to send it to: your own, no customer's.")],
    lang: Annotated[str | None, typer.Option(help="fr or en; default: the shop's language.")] = None,
    sample: Annotated[str, typer.Option(help="Whose words stand in it; `habitue preview` lists them.")] = "anna",
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Send one mail about a made-up customer by the shop's sender; the ledger never hears of it.

    Its subject says that it is a test, and its links lead nowhere. While the kill switch is pulled it doesn't leave.
    """
    from habitue import doors, overview, proofs
    from habitue.trial_mails import send, trial_mail

    with doors.opened(os.environ) as (house, at):
        language = lang or house.shop.language
        if language not in house.shop.languages:
            raise typer.BadParameter(f"the shop writes {', '.join(house.shop.languages)}", param_hint="--lang")
        mail = trial_mail(house.shop, template, language, proofs.sample(sample), to=to, at=at)
        if pulled := overview.stopped(house.engine):
            raise SendError(f"nothing leaves ({pulled.reason}): `habitue go` lifts the kill switch", permanent=True)
        if not yes:
            typer.confirm(f"One test of {template} ({language}) {_way(house)}. Send it?", abort=True)
        answer = send(house, mail)
        for line in _told(answer, house):
            say(line)
    if answer.receipt.status != "accepted":
        raise typer.Exit(1)


def _way(house: House) -> str:
    sender = house.shop.sender
    match sender.kind:
        case "outbox":
            return f"is written to {house.out / 'emails'}"
        case "smtp":
            host = house.access.host or (sender.smtp.host if sender.smtp else None)
            return f"leaves by the mail server {host}"
        case "sendgrid":
            url = house.access.base_url or sender.sendgrid.base_url
            return f"goes to {url}" + (", which sends none: sandbox" if sender.sendgrid.sandbox else "")


def _told(answer: Answer, house: House) -> list[str]:
    receipt = answer.receipt
    said = [f"{answer.kind}: {receipt.status}"]
    said += [f"  its name there: {receipt.provider_id}"] if receipt.provider_id else []
    said += [f"  {receipt.reason}"] if receipt.reason else []
    if answer.kind == "outbox":
        why = "HABITUE_TODAY is set" if os.environ.get("HABITUE_TODAY") else "the shop has no other sender"
        said.append(f"  nothing left ({why}): see {house.out / 'emails'}")
    elif receipt.status == "accepted" and house.shop.sender.sendgrid.sandbox and answer.kind == "sendgrid":
        said.append("  checked and not sent: sender.sendgrid.sandbox is on")
    return said
