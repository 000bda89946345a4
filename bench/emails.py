"""E-mails: from a customer's facts to the bytes of a mail, on one core, beside the standard library's own writer.

Each way runs in a process of its own, so that its peak memory is its own; seconds are CPU seconds of that process, the
best of several rounds, as other work on the machine would else be measured too.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from email.message import EmailMessage
from email.policy import SMTP

from habitue.emails import EmailTemplate, Rendered
from habitue.mime import Mail, Origin, write
from habitue.shop import load_shop

SHOP = load_shop()
ORIGIN = Origin.of(SHOP, "quarterly_letter", datetime(2026, 10, 1, 6, tzinfo=UTC))
LINK = SHOP.sender.unsubscribe_url + "k" * 43
ROUNDS = 5
WAYS = {
    "ours": "rendered and written (habitue)",
    "stdlib": "rendered by us, written by email.message.EmailMessage",
    "render": "of that, rendering alone",
}


def context(number: int) -> dict[str, object]:
    return {
        "customer": {"civility": "MME", "first_name": "Anna", "last_name": f"Lefèvre {number}", "name": "Anna Lefèvre"},
        "salutation": f"Chère Madame Lefèvre {number},",
        "facts": {
            "last_purchase": date(2023 + number % 2, 1 + number % 12, 1 + number % 28),
            "favourite": f"Darjeeling de printemps nº {number % 50}",
            "purchases": number % 9 + 1,
            "this_year": 1,
        },
        "offer": {
            "code": f"{number:010}",
            "text": "10 € de bienvenue sur votre prochain panier.",
            "valid_until": date(2026, 12, 30),
            "url": f"https://www.maison-tilleul.example/o/{number:010}",
        },
        "unsubscribe_url": LINK,
        "preferences_url": LINK,
    }


def mail(number: int, content: Rendered) -> Mail:
    return Mail(
        message_id=f"0190c3a2-7d1c-7000-8000-{number:012}",
        to_name=f"Anna Lefèvre {number}",
        to_address=f"anna{number}@example.fr",
        subject=content.subject,
        text=content.text,
        html=content.html,
        language="fr",
        unsubscribe_url=LINK,
        origin=ORIGIN,
    )


def by_stdlib(letter: Mail) -> bytes:
    message = EmailMessage(policy=SMTP.clone(max_line_length=998))
    message["Date"] = letter.origin.date
    message["From"] = f"{letter.origin.from_name} <{letter.origin.from_address}>"
    message["Reply-To"] = letter.origin.reply_to
    message["To"] = f"{letter.to_name} <{letter.to_address}>"
    message["Subject"] = letter.subject
    message["Message-ID"] = f"<{letter.message_id}@{letter.origin.domain}>"
    message["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["List-ID"] = f"<{letter.origin.list_id}>"
    message["Feedback-ID"] = letter.origin.feedback_id
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message.as_bytes()


def measure(way: str, mails: int) -> tuple[float, float, int]:
    """Mails a CPU second, peak memory in MB, bytes of one mail."""
    template = EmailTemplate.load("quarterly/lapsed", "fr", SHOP)
    contexts = [context(number) for number in range(mails)]

    def ours(number: int) -> bytes:
        return write(mail(number, template.render(contexts[number])))

    def stdlib(number: int) -> bytes:
        return by_stdlib(mail(number, template.render(contexts[number])))

    def render(number: int) -> bytes:
        return template.render(contexts[number]).subject.encode()

    ways: dict[str, Callable[[int], bytes]] = {"ours": ours, "stdlib": stdlib, "render": render}
    one = ways[way]
    best, size = float("inf"), 0
    for _ in range(ROUNDS):
        start = time.process_time()
        for number in range(mails):
            size = len(one(number))
        best = min(best, (time.process_time() - start) / mails)
    return 1 / best, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, size


def main() -> None:
    """Prints mails a second, the ratio to the standard library and the peak memory of each way."""
    from rich.console import Console
    from rich.table import Table

    found = {}
    for way in WAYS:
        mails = 200 if way == "stdlib" else 1000
        done = subprocess.run(
            [sys.executable, "-m", "bench.emails", way, str(mails)], check=True, capture_output=True, text=True
        )
        speed, memory, size = done.stdout.split()
        found[way] = (float(speed), float(memory), int(size))
    table = Table(title="E-mails on one core", title_justify="left")
    for heading in ("", "a CPU second", "ratio", "peak MB", "bytes"):
        table.add_column(heading, justify="right" if heading else "left")
    for way, (speed, memory, size) in found.items():
        ratio = speed / found["stdlib"][0]
        table.add_row(
            WAYS[way], f"{speed:,.0f}", f"{ratio:.1f} ×", f"{memory:,.0f}", "" if way == "render" else f"{size:,}"
        )
    Console().print(table)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(*measure(sys.argv[1], int(sys.argv[2])))
    else:
        main()
