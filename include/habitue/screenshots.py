"""Pictures of a mail, by a headless Chromium where there is one: at a desk and on a phone, by day or by night.

The browser gets no network, a profile of its own that is thrown away, and a page that holds the mail in two frames.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from html import escape
from pathlib import Path

from habitue.errors import SettingError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
DESK, PHONE, GAP = 640, 390, 24
"""Pixels. A window can't be as narrow as a phone: frames can."""
SECONDS = 60

_PAGE = """<!doctype html><html><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><style>
html, body {{ margin: 0; background: #8a8a8a; }} body {{ display: flex; gap: {gap}px; align-items: flex-start; }}
iframe {{ border: 0; flex: none; height: 10px; }}</style></head><body>
<iframe style="width:{desk}px" srcdoc="{mail}"></iframe><iframe style="width:{phone}px" srcdoc="{mail}"></iframe>
<script>addEventListener("load", () => {{ const frames = [...document.querySelectorAll("iframe")];
const tallest = Math.max(...frames.map((frame) => frame.contentDocument.documentElement.scrollHeight));
for (const frame of frames) frame.style.height = tallest + "px";
document.body.dataset.height = tallest; }});</script></body></html>"""


def browser() -> str | None:
    """The Chromium on the path, if any."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def screenshot(html: str, out: Path, *, chromium: str, dark: bool = False) -> None:
    """Writes a PNG of the whole mail, desk and phone beside each other. SettingError where the browser makes none."""
    with tempfile.TemporaryDirectory(prefix="habitue-") as folder:
        page = Path(folder) / "mail.html"
        page.write_text(_PAGE.format(mail=escape(html), desk=DESK, phone=PHONE, gap=GAP), "utf-8")
        command = [
            *(chromium, "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=2000"),
            *(f"--user-data-dir={folder}/profile", f"--blink-settings=preferredColorScheme={0 if dark else 1}"),
        ]
        if os.geteuid() == 0:  # as in a container: Chromium's sandbox needs another user
            command.append("--no-sandbox")
        laid_out = _run([*command, "--dump-dom", page.as_uri()])
        height = re.search(r'data-height="(\d+)"', laid_out)
        if height:
            size = f"--window-size={DESK + GAP + PHONE},{height[1]}"
            _run([*command, size, f"--screenshot={Path(folder) / 'mail.png'}", page.as_uri()])
        if not height or not (Path(folder) / "mail.png").exists():
            raise SettingError(f"{chromium} made no picture; start it by hand to see why")
        shutil.copyfile(Path(folder) / "mail.png", out)


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a browser from the path, and a page of our own
            command, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingError(f"{command[0]} made no picture ({type(error).__name__})") from None
    return done.stdout
