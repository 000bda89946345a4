"""SendGrid: mails by its web API (v3 mail/send), many requests at once over connections that are kept.

The `sendgrid` package builds the requests; `aiohttp` carries them, as the package's own client opens a connection a
mail. Mails with the same content leave together, each recipient in a personalization of their own. What goes with a
mail is its message id, by which SendGrid's events are told apart later, and nothing about the customer: SendGrid keeps
such arguments for years. Nobody is tracked: no open pixel, no rewritten link, no unsubscribing but our own.

    202, in the sandbox 200             accepted
    400, 413                            of several mails: halved, until the one is found; of one mail: refused
    401, 403, 404, 405, 400 to "from"   a setting is wrong: all that is left is held
    429, 5xx, no connection             tried again, not before X-RateLimit-Reset; in the end held
    anything after the request was sent unknown: SendGrid can't tell a request sent again from a new one
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from habitue.errors import SendError
from habitue.mime import Attachment, Mail, Origin, check, envelope, envelope_sender, run_headers, unsubscribe_headers
from habitue.postbag import Parcel, Patience, Postbag
from habitue.senders import Receipts

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

MOST = 1000
"""Personalizations a request."""
_SEPARATORS = re.compile(r"\s*[,;]\s*")
"""SendGrid takes them for the end of a recipient, in a name too."""
_FIELD = re.compile(r"[A-Za-z0-9_-]{1,60}(?:\.[A-Za-z0-9_-]{1,60}){0,6}")
_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_UNIX_TIME = 1_000_000_000
_OURS = frozenset({"from", "reply_to", "headers", "mail_settings", "tracking_settings"})
"""Fields that are the same for everyone: a recipient can't be blamed for them."""


@dataclass
class SendGrid:
    """Carries mails to SendGrid's API at `base_url`; `sandbox`: they are checked there and go nowhere."""

    key: str = field(repr=False)
    base_url: str = "https://api.sendgrid.com"
    connections: int = 32
    timeout: float = 60
    sandbox: bool = False
    patience: Patience = field(default_factory=Patience)

    idempotent = False

    def __post_init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._session: ClientSession | None = None

    def send(self, batch: Sequence[Mail]) -> Receipts:
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(self._send(batch))

    def close(self) -> None:
        """Hangs up."""
        if self._runner is not None:
            if self._session is not None:
                self._runner.run(self._session.close())
            self._runner.close()
            self._runner = self._session = None

    async def _send(self, batch: Sequence[Mail]) -> Receipts:
        if self._session is None:
            self._session = self._opened()
        for _ in range(3):  # lets kept connections notice who hung up since
            await asyncio.sleep(0)
        bag = Postbag(batch, self.patience, self.connections)
        for places in together(batch, self._sound(bag)):
            bag.put(Parcel(places))
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.connections, len(batch))):
                group.create_task(self._work(bag, self._session))
        return bag.receipts()

    def _sound(self, bag: Postbag) -> Iterator[int]:
        """The places of mails that could stand in a letter's headers; the others are refused, as by any sender."""
        for place, mail in enumerate(bag.mails):
            try:
                check(mail)
            except SendError as error:
                bag.unwritable(Parcel([place]), str(error))
            else:
                yield place

    def _opened(self) -> ClientSession:
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

        return ClientSession(
            base_url=self.base_url,
            connector=TCPConnector(limit=self.connections, keepalive_timeout=10),
            timeout=ClientTimeout(total=None, sock_connect=self.timeout, sock_read=self.timeout),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
            cookie_jar=DummyCookieJar(),
        )

    async def _work(self, bag: Postbag, session: ClientSession) -> None:
        from aiohttp import ClientConnectorCertificateError, ClientConnectorError, ClientError, ConnectionTimeoutError

        while await bag.ready():
            if (parcel := bag.take()) is None:
                continue
            asked = payload([bag.mails[place] for place in parcel.places], sandbox=self.sandbox)
            body = to_json(asked)  # five times quicker than the standard library's
            parcel.in_doubt = True
            try:
                async with session.post("/v3/mail/send", data=body, allow_redirects=False) as response:
                    await self._answered(response, bag, parcel)
            except ClientConnectorCertificateError:
                parcel.in_doubt = False
                bag.untouched(parcel)
                bag.stop(
                    SendError(
                        f"{self.base_url} showed a certificate that can't be trusted; see sender.sendgrid.base_url "
                        "in shop.yaml; nothing was handed over",
                        permanent=True,
                    )
                )
            except (ClientConnectorError, ConnectionTimeoutError) as error:
                parcel.in_doubt = False
                bag.untouched(parcel)
                bag.trouble(f"SendGrid: no connection ({type(error).__name__})")
            except (ClientError, OSError, TimeoutError) as error:
                if not bag.settled(parcel):
                    bag.unknown(parcel, f"SendGrid: no answer after the request was sent ({type(error).__name__})")

    async def _answered(self, response: ClientResponse, bag: Postbag, parcel: Parcel) -> None:
        """Settles a request's mails by SendGrid's answer."""
        status, headers = response.status, response.headers
        if status == 202 or (status == 200 and self.sandbox):
            given = headers.get("X-Message-Id", "")
            bag.accepted(parcel, given if _ID.fullmatch(given) else None)
            if headers.get("X-RateLimit-Remaining") == "0":
                bag.suspend(seconds_to_reset(headers), "SendGrid: its rate limit is used up")
        elif status == 429:
            wait = seconds_to_reset(headers)
            bag.suspend(wait, "SendGrid: 429, its rate limit is used up")
            bag.again(parcel, "SendGrid: 429", wait=wait)
        elif status >= 500 or status == 408:
            bag.again(parcel, f"SendGrid: {status}")
        elif status < 300:  # 200 outside the sandbox and the like: whatever that was, it is no promise
            bag.unknown(parcel, f"SendGrid: {status}, which is no answer of v3 mail/send")
        else:
            await self._declined(response, bag, parcel)

    async def _declined(self, response: ClientResponse, bag: Postbag, parcel: Parcel) -> None:
        """A request that was not to SendGrid's liking: whose fault is it?"""
        parcel.in_doubt = False
        status, wrong = response.status, await _wrong_field(response)
        if status not in (400, 413) or wrong.split(".")[0] in _OURS:
            bag.untouched(parcel)
            about = f" ({wrong})" if wrong else ""
            bag.stop(
                SendError(
                    f"SendGrid answered {status}{about}: the key, its rights or a setting is wrong, not a recipient; "
                    "nothing of this request was handed over; see HABITUE_SENDGRID_KEY and sender in shop.yaml",
                    permanent=True,
                )
            )
        elif len(parcel.places) > 1:
            bag.split(parcel)
        else:
            bag.refused(parcel, f"SendGrid: {status}" + (f", {wrong}" if wrong else ""))


def together(mails: Sequence[Mail], places: Iterable[int]) -> Iterator[list[int]]:
    """The places of mails that may leave in one request: the same content, at most MOST, each address once."""
    groups: dict[tuple[object, ...], list[list[int]]] = {}
    seen: dict[tuple[object, ...], int] = {}
    for place in places:
        mail = mails[place]
        content = (mail.subject, mail.text, mail.html, mail.language, mail.origin, mail.attachments)
        requests = groups.setdefault(content, [])
        number = seen.get((content, mail.to_address.lower()), 0)
        while number < len(requests) and len(requests[number]) >= MOST:
            number += 1
        if number == len(requests):
            requests.append([])
        requests[number].append(place)
        seen[content, mail.to_address.lower()] = number + 1
    for requests in groups.values():
        yield from requests


def payload(mails: Sequence[Mail], *, sandbox: bool) -> dict[str, Any]:
    """The body of a request for mails that share their content. They were checked before."""
    from sendgrid.helpers.mail import Content, Subject

    first = mails[0]
    attached = {"attachments": [_attachment(one) for one in first.attachments]} if first.attachments else {}
    return {
        **_shared(first.origin, first.language, sandbox),
        **attached,
        "subject": Subject(first.subject).get(),
        "content": [Content("text/plain", first.text).get(), Content("text/html", first.html).get()],
        "personalizations": [_personalization(mail) for mail in mails],
    }


def _attachment(one: Attachment) -> Any:
    from sendgrid.helpers import mail as helpers

    content = helpers.FileContent(b64encode(one.content).decode("ascii"))
    kind = helpers.FileType(one.kind)
    return helpers.Attachment(content, helpers.FileName(one.name), kind, helpers.Disposition("attachment")).get()


@lru_cache(maxsize=64)
def _shared(origin: Origin, language: str, sandbox: bool) -> dict[str, Any]:
    """What all requests of a run in a language say, made once."""
    from sendgrid.helpers import mail as helpers

    message = helpers.Mail()
    message.from_email = helpers.From(envelope_sender(origin), origin.from_name)
    message.reply_to = helpers.ReplyTo(origin.reply_to)
    for name, value in run_headers(origin).items():
        message.add_header(helpers.Header(name, value))
    message.add_header(helpers.Header("Content-Language", language))
    tracking = helpers.TrackingSettings()
    tracking.click_tracking = helpers.ClickTracking(False, False)
    tracking.open_tracking = helpers.OpenTracking(False)
    tracking.subscription_tracking = helpers.SubscriptionTracking(False)
    message.tracking_settings = tracking
    if sandbox:
        message.mail_settings = helpers.MailSettings(sandbox_mode=helpers.SandBoxMode(True))
    asked: dict[str, Any] = message.get()
    return asked


def _personalization(mail: Mail) -> Any:
    from sendgrid.helpers.mail import CustomArg, Header, Personalization, To

    one = Personalization()
    one.add_to(To(envelope(mail)[1], _SEPARATORS.sub(" ", mail.to_name) or None))
    for name, value in ({} if mail.internal else unsubscribe_headers(mail)).items():
        one.add_header(Header(name, value))
    one.add_custom_arg(CustomArg("message_id", mail.message_id))
    return one.get()


async def _wrong_field(response: ClientResponse) -> str:
    """The field that SendGrid found wrong (`personalizations.0.to`), never its value: its words may repeat that."""
    from aiohttp import ClientError

    try:
        found = json.loads(await response.content.read(65_536))["errors"][0]["field"]
    except (ClientError, OSError, TimeoutError, ValueError, LookupError, TypeError):
        return ""
    return found if isinstance(found, str) and _FIELD.fullmatch(found) and found != "null" else ""


def seconds_to_reset(headers: Mapping[str, str]) -> float:
    """X-RateLimit-Reset: the seconds left or, on older pages, a Unix time, told apart by the answer's own Date."""
    try:
        reset = float(headers.get("X-RateLimit-Reset", "0"))
        if reset >= _UNIX_TIME:
            reset -= parsedate_to_datetime(headers["Date"]).timestamp()
    except (ValueError, KeyError, TypeError):
        return 0.0
    return max(reset, 0.0) if reset < _UNIX_TIME else 0.0
