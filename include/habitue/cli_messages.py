"""The command for those who write texts: `habitue preview`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

if TYPE_CHECKING:
    from habitue.proofs import Proof

console = Console(highlight=False)

Lang = Literal["fr", "en"]


def mount(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.command()(preview)


def preview(
    template: Annotated[
        str | None,
        typer.Argument(
            help="quarterly/lapsed, letters/quarterly/lapsed, calls/winback; default: list all, and the samples."
        ),
    ] = None,
    customer: Annotated[str | None, typer.Option(help="A customer of the base, by id in the shop's data.")] = None,
    sample: Annotated[str, typer.Option(help="A person who does not exist.")] = "anna",
    lang: Annotated[Lang | None, typer.Option(help="The language; default: the reader's own.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The folder to write to; default: var/previews, and for a customer HABITUE_OUT/previews."),
    ] = None,
    dark: Annotated[bool, typer.Option("--dark", help="The picture as a screen shows it by night.")] = False,
) -> None:
    """Write one text for one person as files to look at: HTML, text and a picture; a letter as a PDF, as a
    picture, and with its envelope over it.

    Links in it unsubscribe nobody. A customer's message is personal data: delete the files when you have seen them,
    or `habitue retention` does.
    """
    from habitue import clock, doors, proofs
    from habitue.house import House

    if template is None:
        console.print(f"texts:\n{proofs.every_text()}\nsamples:\n{proofs.every_sample()}", markup=False)
        return
    channel, name = proofs.find(template)
    if customer is None:
        shop = House.settings(os.environ)
        person, on = proofs.sample(sample), clock.now(os.environ, shop.tz).astimezone(shop.tz).date()
    else:
        os.umask(0o077)  # what is written of a customer is for its owner's eyes
        with doors.opened(os.environ) as (house, at):
            shop, person, on = house.shop, proofs.customer(house, customer), at.astimezone(house.shop.tz).date()
            out = out or house.out / "previews"
    out = out or Path("var/previews")
    proof = proofs.Proof(person, lang or person.language, proofs.offers().get((channel, name)), on, shop)
    stem = f"{name.replace('/', '-')}.{proof.language}.{'customer' if customer else sample}"
    out.mkdir(parents=True, exist_ok=True)
    match channel.value:
        case "email":
            _email(proof, name, out / stem, dark=dark)
        case "letter":
            _letter(proof, name, out / stem)
        case _:
            _call(proof, name, out / stem)
    _complain(proof, channel.value, name)


def _email(proof: Proof, name: str, stem: Path, *, dark: bool) -> None:
    from habitue import screenshots
    from habitue.emails import EmailTemplate

    mail = proof.email(EmailTemplate.load(name, proof.language, proof.shop))
    html, text, png = (Path(f"{stem}{ending}") for ending in (".html", ".txt", f"{'.dark' if dark else ''}.png"))
    html.write_text(mail.html, "utf-8")
    text.write_text(mail.text, "utf-8")
    _say("subject", f"{mail.subject} ({len(mail.subject)} characters)")
    _say("preheader", f"{mail.preheader} ({len(mail.preheader)} characters)")
    _wrote(html, text)
    chromium = screenshots.browser()
    if chromium is None:
        console.print(f"no picture: none of {', '.join(screenshots.BROWSERS)} is on the path", style="yellow")
        return
    screenshots.screenshot(mail.html, png, chromium=chromium, dark=dark)
    _wrote(png)


def _letter(proof: Proof, name: str, stem: Path) -> None:
    from habitue.errors import TemplateError
    from habitue.letter_previews import preview_letter
    from habitue.letters import Press

    press, letter = Press(proof.shop, on=proof.on), proof.letter(name)
    printed = press.print([letter])
    if printed.refused:
        raise TemplateError(f"letters/{name}: can't be printed for this reader ({printed.refused[0][1]})")
    made = preview_letter(press, letter, Path(f"{stem}.letter"))
    _say("subject", letter.subject)
    _say("pages", str(printed.page_counts[0]))
    _wrote(made.pdf, made.png, made.window)


def _call(proof: Proof, name: str, stem: Path) -> None:
    from habitue.calls import CallScript

    file = Path(f"{stem}.call.txt")
    file.write_text(proof.call(CallScript.load(name, proof.language, proof.shop)) + "\n", "utf-8")
    _wrote(file)


def _complain(proof: Proof, channel: str, name: str) -> None:
    """What the lint says of the text and its layout."""
    from habitue.linting import lint
    from habitue.tables import Channel

    for one in lint(Channel(channel), name, proof.shop, proof.offer):
        console.print(f"{one.severity}: {one}", style="yellow", markup=False, soft_wrap=True)


def _say(what: str, said: str) -> None:
    console.print(f"{what:<10} {said}", markup=False, soft_wrap=True)


def _wrote(*files: Path) -> None:
    for file in files:
        console.print(f"→ {file} ({file.stat().st_size:,} bytes)", markup=False, soft_wrap=True)
