"""The ear of the public app: `POST /webhooks/sendgrid` takes what SendGrid tells of mails, if it is signed.

A post is checked, written down and answered; what it says is applied afterwards (see `habitue.events`).

    204   written down: SendGrid forgets it
    403   not signed with one of our keys, or no key is set: it is never open by default. One answer for all of it
    408   it came too slowly
    413   longer than LARGEST; cut off as soon as that is known
    503   too much at once, or no base: SendGrid comes again for 24 hours, so nothing is lost

The signature (ECDSA, P-256, SHA-256) is over the timestamp and the bytes as they came. The timestamp may be WINDOW old:
SendGrid tries for a day, and whether it signs anew each time it does not say. What is posted twice is applied once.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import load_der_public_key
from sqlalchemy import Engine
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from habitue import events
from habitue.errors import SettingError
from habitue.house import House

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
LARGEST = 2_000_000
"""Bytes of a post; SendGrid's have 768 kB at most."""
MOST_HELD = 32_000_000
"""Bytes of posts in memory at once, all together."""
SLOWEST = 20.0
"""Seconds that a post may take to come in, or to be written down."""
WINDOW = timedelta(hours=48)
RETRY_AFTER = "30"

log = logging.getLogger(__name__)


def routes(house: House, now: Callable[[], datetime]) -> list[Route]:
    """The routes; SettingError where a key is none. The base is not asked before the first post."""
    keys = public_keys(house.webhook_keys or "")
    ear = Ear(keys, Shelf(lambda: house.engine, now), now)
    return [Route("/webhooks/sendgrid", ear.post, methods=["POST"])]


def public_keys(setting: str) -> list[EllipticCurvePublicKey]:
    """The keys of HABITUE_SENDGRID_WEBHOOK_KEY, in base64 as SendGrid shows them, parted by white space or commas."""
    return [_public_key(word, place) for place, word in enumerate(setting.replace(",", " ").split(), start=1)]


def _public_key(word: str, place: int) -> EllipticCurvePublicKey:
    try:
        key = load_der_public_key(base64.b64decode(word, validate=True))
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise SettingError(
            f"HABITUE_SENDGRID_WEBHOOK_KEY: key {place} is no public key of the P-256 curve; copy the verification key "
            "that SendGrid shows under Mail Settings, Event Webhooks, Signature Verification"
        )
    return key


@dataclass(frozen=True, slots=True)
class Seal:
    """What came with a post to prove whose it is."""

    signature: bytes
    timestamp: bytes

    @classmethod
    def of(cls, request: Request, at: datetime) -> Seal | None:
        """None where a header is missing or malformed, or the moment too far away."""
        signature, timestamp = request.headers.get(SIGNATURE, ""), request.headers.get(TIMESTAMP, "")
        if not (0 < len(signature) <= 200 and 0 < len(timestamp) <= 12 and timestamp.isascii() and timestamp.isdigit()):
            return None
        try:
            raw = base64.b64decode(signature, validate=True)
            signed_at = datetime.fromtimestamp(int(timestamp), UTC)
        except (binascii.Error, ValueError, OverflowError, OSError):
            return None
        return cls(raw, timestamp.encode()) if abs(at - signed_at) <= WINDOW else None

    def holds(self, body: bytes, keys: Sequence[EllipticCurvePublicKey]) -> bool:
        """Whether one of the keys has signed these bytes."""
        hashed = Hash(SHA256())
        hashed.update(self.timestamp)
        hashed.update(body)
        digest = hashed.finalize()
        for key in keys:
            try:
                key.verify(self.signature, digest, ECDSA(Prehashed(SHA256())))
            except (InvalidSignature, ValueError):
                continue
            return True
        return False


class Cut(Exception):
    """A post that is not read to its end; `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class Ear:
    """Listens to SendGrid."""

    keys: Sequence[EllipticCurvePublicKey]
    shelf: Shelf
    now: Callable[[], datetime]
    held: int = 0
    """bytes in memory now"""
    told: bool = False
    """it was said that no key is set"""

    async def post(self, request: Request) -> Response:
        seal = self._seal(request)
        if seal is None:
            return _answer(403)
        body = bytearray()
        try:
            async with asyncio.timeout(SLOWEST):
                await self._read(request, body)
            raw = bytes(body)
            if not seal.holds(raw, self.keys):
                return _answer(403)
            return _answer(204 if await self.shelf.put(raw) else 503)
        except Cut as cut:
            return _answer(cut.status)
        except TimeoutError:
            return _answer(408)
        except ClientDisconnect:
            return _answer(400)
        finally:
            self.held -= len(body)

    def _seal(self, request: Request) -> Seal | None:
        if not self.keys:
            if not self.told:
                self.told = True
                log.error(
                    "SendGrid's events are refused: HABITUE_SENDGRID_WEBHOOK_KEY is not set. Switch on the signed "
                    "event webhook at SendGrid and set it to the verification key that is shown there"
                )
            return None
        return Seal.of(request, self.now())

    async def _read(self, request: Request, body: bytearray) -> None:
        """Reads the post into `body`; Cut where it is too long, alone or with those that are read at the same time."""
        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and (len(length) > 9 or int(length) > LARGEST):
            raise Cut(413)
        async for chunk in request.stream():
            if len(body) + len(chunk) > LARGEST:
                raise Cut(413)
            if self.held + len(chunk) > MOST_HELD:
                raise Cut(503)
            body += chunk
            self.held += len(chunk)


@dataclass
class Shelf:
    """Writes posts down, all that wait in one commit: a flood costs the base few commits, a single post no wait."""

    engine: Callable[[], Engine]
    now: Callable[[], datetime]
    _waiting: dict[asyncio.Future[bool], tuple[datetime, bytes]] = field(default_factory=dict)
    _writer: asyncio.Task[None] | None = None

    async def put(self, body: bytes) -> bool:
        """Whether the post is written down; False where the base would not have it, or not in time."""
        kept = asyncio.get_running_loop().create_future()
        self._waiting[kept] = self.now(), body
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        try:
            async with asyncio.timeout(SLOWEST):
                return bool(await kept)
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(kept, None)

    async def _write(self) -> None:
        while self._waiting:
            posts, self._waiting = self._waiting, {}
            kept = await asyncio.to_thread(self._stored, list(posts.values()))
            for answer in posts:
                if not answer.done():  # who asked may have gone
                    answer.set_result(kept)

    def _stored(self, posts: list[tuple[datetime, bytes]]) -> bool:
        try:
            events.store(self.engine(), posts)
        except Exception as error:
            log.error("%s posts of SendGrid could not be written down (%s)", len(posts), type(error).__name__)
            return False
        return True


def _answer(status: int) -> Response:
    """Without a body. Whoever was turned away is hung up on: what is left of the post is not read."""
    headers = {"Cache-Control": "no-store"}
    if status == 503:
        headers["Retry-After"] = RETRY_AFTER
    if status != 204:
        headers["Connection"] = "close"
    return Response(status_code=status, headers=headers)
