"""The command for the pages that face the internet."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from habitue.cli_runs import opened, say


def public(
    host: Annotated[str, typer.Option(help="The address to listen on; a proxy with TLS goes in front.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port.")] = 8081,
) -> None:
    """Serve what faces the internet: unsubscribing and preferences by the links in mails, and SendGrid's webhook."""
    from habitue import clock
    from habitue.web.public import create
    from habitue.web.serving import log_to_the_terminal, server

    log_to_the_terminal()
    with opened() as (house, at):
        zone = house.shop.tz
        played = at - clock.now(os.environ, zone)  # a demonstration's day goes on from there
        say(f"http://{host}:{port} answers for {house.shop.sender.unsubscribe_url} (Ctrl-C stops it)")
        server(create(house, lambda: clock.now(os.environ, zone) + played), host=host, port=port).run()
