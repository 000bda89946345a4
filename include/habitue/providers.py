"""Which sender a shop has chosen, made ready from its settings and from what may not stand there: passwords, keys."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from habitue.errors import SettingError
from habitue.senders import Outbox, Sender
from habitue.sendgrid_api import SendGrid
from habitue.shop import Shop, SmtpSettings
from habitue.signatures import Signer
from habitue.smtp import Smtp
from habitue.smtp_connection import Server


@dataclass(frozen=True)
class Access:
    """How a provider lets us in. What is None stands in shop.yaml; `password` is SendGrid's key, too; `connection`: the
    Airflow connection that says it."""

    password: str | None = field(default=None, repr=False)
    username: str | None = None
    host: str | None = None
    port: int | None = None
    security: Literal["starttls", "tls", "none"] | None = None
    base_url: str | None = None
    connection: str | None = None


def open_sender(shop: Shop, access: Access, *, out: Path) -> Sender:
    """The sender of `sender.kind` in shop.yaml. It connects when it is given mails. SettingError where a secret or a
    file is missing."""
    settings = shop.sender
    if settings.kind != "outbox" and settings.connection and access.connection != settings.connection:
        from habitue.connections import missing

        raise missing(settings.connection)
    match settings.kind:
        case "outbox":
            return Outbox(out / "emails")
        case "smtp":
            return _smtp(settings.smtp or SmtpSettings(), access, name=settings.domain)
        case "sendgrid":
            if not access.password:
                raise SettingError(
                    "HABITUE_SENDGRID_KEY is not set, nor HABITUE_SENDGRID_KEY_FILE: sender.kind is sendgrid"
                )
            chosen = settings.sendgrid
            return SendGrid(
                key=access.password,
                base_url=access.base_url or chosen.base_url,
                connections=chosen.connections,
                timeout=chosen.timeout,
                sandbox=chosen.sandbox,
            )


def _smtp(settings: SmtpSettings, access: Access, *, name: str) -> Smtp:
    username = access.username or settings.username
    security, host = access.security or settings.security, access.host or settings.host
    assert host is not None  # noqa: S101 - shop.py and connections.py make sure of it
    if username and security == "none":
        where = f"connection {access.connection}" if access.connection else "sender.smtp.security"
        raise SettingError(f"{where} has no TLS: a password is never sent in the clear; choose STARTTLS or TLS")
    if username and not access.password:
        raise SettingError(
            "HABITUE_SMTP_PASSWORD is not set, nor HABITUE_SMTP_PASSWORD_FILE: sender.smtp has a username"
        )
    return Smtp(
        Server(
            host=host,
            port=access.port or settings.port,
            security=security,
            name=name,
            timeout=settings.timeout,
            username=username,
            password=access.password,
            tls=None if security == "none" else _trusting(settings.ca_file),
        ),
        connections=settings.connections,
        limits=settings.limits,
        signer=Signer.of(settings.dkim) if settings.dkim else None,
        return_path=settings.return_path,
    )


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise SettingError(
            f"sender.smtp.ca_file in shop.yaml: {ca_file} can't be read ({type(error).__name__})"
        ) from None
