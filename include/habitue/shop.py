"""What a shop chooses: `include/shop.yaml`, read once, strictly, typed."""

from __future__ import annotations

import re
from datetime import date, tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urljoin
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from habitue.envelopes import Envelope, shipped
from habitue.limits import (
    Approval,
    Breaker,
    Budget,
    Costs,
    GlobalHoldout,
    Insert,
    LifetimeSettings,
    Margin,
    Retention,
    ShopCaps,
)
from habitue.settings import INCLUDE as INCLUDE
from habitue.settings import Count, Finding, Findings, Timezone, Words, merge, validate
from habitue.settings import Language as Language
from habitue.settings import Strict as Strict
from habitue.settings import read_yaml as read_yaml

FOLDER = r"^[A-Za-z0-9._-][A-Za-z0-9._/ -]*$"
"""A mail folder's name."""

InsertCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,20}$")]
"""What the print shop calls what is laid beside a letter."""


class Letterhead(Strict):
    accent: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")
    ink: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")
    logo: Path
    signature: Path
    signatory: str
    title: dict[Language, str]
    font: str = "EB Garamond 12"
    fonts: Path | None = None
    envelope: str = "fr_dl_45"


class Limit(Strict):
    """How many mails to a domain may be under way at once, and how many may leave a second."""

    at_once: int | None = Field(None, ge=1)
    a_second: float | None = Field(None, gt=0)


class DkimSettings(Strict):
    """`selector._domainkey.domain` holds the public key; `key_file` the private one (RSA, PEM)."""

    selector: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
    domain: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
    key_file: Path


BASE_URL = re.compile(r"https://[^/?#]+|http://127\.0\.0\.1(:\d+)?")
"""Where SendGrid's web API may be."""


class SmtpSettings(Strict):
    """A mail server. Its password is HABITUE_SMTP_PASSWORD; what `sender.connection` says goes first. `limits` are by
    the recipient's domain, `*` for all mails together; `timeout`: seconds for an answer, five times that after a whole
    mail. `return_path`: where reports come back to, as `b+<message id>@…` for `b@…`; without it, to
    sender.from_address."""

    host: str | None = Field(None, pattern=r"^[A-Za-z0-9._:-]+$")
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    ca_file: Path | None = None
    connections: int = Field(8, ge=1, le=200)
    timeout: float = Field(60, gt=0)
    limits: dict[str, Limit] = Field(default_factory=dict)
    dkim: DkimSettings | None = None
    return_path: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{1,27}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> SmtpSettings:
        if self.username and self.security == "none":
            raise ValueError("a user name needs security starttls or tls: its password is never sent in the clear")
        return self


class SendGridSettings(Strict):
    """SendGrid's web API. Its key is HABITUE_SENDGRID_KEY. `sandbox`: SendGrid checks each mail and sends none."""

    base_url: str = Field("https://api.sendgrid.com", pattern=rf"^({BASE_URL.pattern})$")
    connections: int = Field(32, ge=1, le=200)
    timeout: float = Field(60, gt=0)
    sandbox: bool = False


class ImapSettings(Strict):
    """An IMAP folder, always by TLS. Its password is HABITUE_IMAP_PASSWORD; `timeout` in seconds."""

    host: str = Field(pattern=r"^[A-Za-z0-9._:-]+$")
    port: int = Field(993, ge=1, le=65535)
    security: Literal["tls", "starttls"] = "tls"
    username: str = Field(pattern=r"^[\x20-\x7e]+$")
    folder: str = Field("INBOX", pattern=FOLDER)
    ca_file: Path | None = None
    timeout: float = Field(60, gt=0)


class ReturnsSettings(Strict):
    """The mailbox where bounces, complaints and replies arrive: a maildir or an IMAP folder. `done_folder`: where mails
    go that are dealt with; `person_folder`: those that a person must read. Without these they stay, read or unread."""

    maildir: Path | None = None
    imap: ImapSettings | None = None
    done_folder: str | None = Field(None, pattern=FOLDER)
    person_folder: str | None = Field(None, pattern=FOLDER)

    @model_validator(mode="after")
    def _one_mailbox(self) -> ReturnsSettings:
        if (self.maildir is None) == (self.imap is None):
            raise ValueError("returns needs either maildir or imap")
        return self


def _preferences_url(known: dict[str, Any]) -> str | None:
    """Beside the page that unsubscribes: https://u.shop.example/u/ → https://u.shop.example/p/."""
    return urljoin(known["unsubscribe_url"], "../p/") if "unsubscribe_url" in known else None


class WarmUp(Strict):
    """A new domain's first weeks: `first` mails on the day `since`, twice as many every so many days, up to `until` a
    day for as long as this stands here. Before `since` nothing leaves."""

    since: date
    first: Count = 200
    double_every_days: Count = 2
    until: Count = 50_000

    @model_validator(mode="after")
    def _grows(self) -> WarmUp:
        if self.until < self.first:
            raise ValueError("until must not be below first")
        return self

    def most_on(self, day: date) -> int:
        """How many mails may leave on that day."""
        doublings = (day - self.since).days // self.double_every_days
        if doublings < 0:
            return 0
        return min(self.until, self.first << min(doublings, 40))


class SenderSettings(Strict):
    """Who writes, and where a reader may say no. `unsubscribe_url` and `preferences_url` are the public app's pages, to
    which a mail adds its token: by default the second stands beside the first; null leaves its link out of the mails.
    `unsubscribe_mailto`: an address whose mails `habitue returns` reads, offered beside the one-click link.

    `connection`: an Airflow connection that says where the sender is and lets us in; the kind is that of which its name
    begins, where none is said. `daily_cap`: mails a day."""

    kind: Literal["outbox", "smtp", "sendgrid"] = "outbox"
    from_name: str
    from_address: str
    reply_to: str
    domain: str = Field(pattern=r"^[A-Za-z0-9.-]+$")
    unsubscribe_url: str = Field(pattern=r"^https://[^?#]+/u/$")
    preferences_url: str | None = Field(default_factory=_preferences_url, pattern=r"^https://.+/$")
    unsubscribe_mailto: str | None = Field(None, pattern=r"^[^@\s]+@[^@\s]+$")
    smtp: SmtpSettings | None = None
    sendgrid: SendGridSettings = SendGridSettings()
    returns: ReturnsSettings | None = None
    connection: str | None = Field(None, pattern=r"^[A-Za-z0-9_.-]+$")
    warm_up: WarmUp | None = None
    daily_cap: Count | None = None

    def most_on(self, day: date) -> int | None:
        """How many mails may leave on that day; None where there is no limit."""
        limits = [self.daily_cap, self.warm_up.most_on(day) if self.warm_up else None]
        return min((limit for limit in limits if limit is not None), default=None)

    @model_validator(mode="before")
    @classmethod
    def _a_connection_has_a_kind(cls, said: Any) -> Any:
        if isinstance(said, dict) and said.get("connection") and said.get("kind", "outbox") == "outbox":
            kinds = [kind for kind in ("smtp", "sendgrid") if str(said["connection"]).lower().startswith(kind)]
            if not kinds or "kind" in said:
                raise ValueError("a connection is to a provider: say kind smtp or sendgrid, not outbox")
            return {**said, "kind": kinds[0]}
        return said

    @model_validator(mode="after")
    def _a_mail_server_has_an_address(self) -> SenderSettings:
        if self.kind == "smtp" and not (self.connection or (self.smtp and self.smtp.host)):
            raise ValueError("kind smtp needs a connection, or the block smtp with at least host")
        return self


class LetterServiceSettings(Strict):
    """A letter service's API (see `letter_api`). Its key is HABITUE_LETTERS_PASSWORD; `timeout`: seconds for an
    answer."""

    base_url: str = Field(pattern=r"^(https://[^/?#@]+(/[^?#]*)?|http://127\.0\.0\.1(:\d+)?)$")
    timeout: float = Field(60, gt=0)


class LetterSettings(Strict):
    """How letters reach the print shop: at most `lot` in one PDF, into `hand_over` (file://, s3:// or sftp://; without
    it the folder `letters` of the results) or to a letter service. `host_key`: the SFTP server's, as `ssh-keygen -lf`
    shows it; without it known_hosts must name the server. `delimiter` of manifest.csv; `paper` stands in README.txt.
    `returns`: the folder into which printer and post put what they tell (docs/letters.md); without it `returns/inbox`
    of the results."""

    lot: int = Field(2000, ge=1, le=5000)
    delimiter: Literal[";", ","] = ";"
    paper: dict[Language, Words] = Field({"fr": "A4, 80 g/m², blanc", "en": "A4, 80 g/m², white"}, min_length=1)
    hand_over: str | None = Field(None, pattern=r"^(file:///|s3://|sftp://|memory://)[^?#]+$")
    host_key: str | None = Field(None, pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")
    service: LetterServiceSettings | None = None
    returns: Path | None = None

    @model_validator(mode="after")
    def _one_way_and_no_password(self) -> LetterSettings:
        if self.hand_over and self.service:
            raise ValueError("hand_over or service: lots take one way to the print shop")
        if self.host_key and not (self.hand_over or "").startswith("sftp://"):
            raise ValueError("host_key is an SFTP server's: it goes with hand_over sftp://…")
        if self.hand_over and re.match(r"\w+://[^/@]*:[^/@]*@", self.hand_over):
            raise ValueError("hand_over: no password in an address; set HABITUE_LETTERS_PASSWORD, or use a key")
        return self


class SegmentSettings(Strict):
    """Thresholds of the five groups (facts: purchase days, `day > on − window_days`)."""

    window_days: int = Field(365, ge=1)
    lapsed_after_days: int = Field(365, ge=1)
    regular_purchase_days: int = Field(4, ge=1)
    heavy_percentile: float = Field(0.67, gt=0, lt=1)

    @model_validator(mode="after")
    def _active_customers_have_a_purchase_in_the_window(self) -> SegmentSettings:
        if self.lapsed_after_days > self.window_days:
            raise ValueError("lapsed_after_days must not exceed window_days: an active customer needs a purchase in it")
        return self


class Frequency(Strict):
    points: int = 3
    most: int = 12


class Scoring(Strict):
    """The scoring grid. `amount`: (from so many units of currency on, points); `recency_months`: (up to and
    including so many months, points), 0 beyond the last."""

    version: str = "1"
    amount: list[tuple[float, int]] = Field([(0, 0), (30, 3), (50, 6), (75, 9), (100, 12)])
    recency_months: list[tuple[int, int]] = Field([(3, 12), (6, 9), (12, 6), (24, 3)])
    frequency: Frequency = Frequency()

    @model_validator(mode="after")
    def _steps_ascend(self) -> Scoring:
        for name, steps in (("amount", self.amount), ("recency_months", self.recency_months)):
            bounds = [bound for bound, _ in steps]
            if bounds != sorted(set(bounds)):
                raise ValueError(f"scoring.{name}: the bounds must ascend")
        return self


class ValidationLimits(Strict):
    most_quarantined_share: float = Field(0.05, ge=0, le=1)
    most_row_change: float = Field(0.3, ge=0)
    most_median_amount_factor: float = Field(20, gt=1)
    most_lapsed_growth: float = Field(0.5, gt=0)
    minor_age: int = Field(18, ge=0)
    most_snapshot_age_days: int = Field(7, ge=0)
    postcodes: Path | None = None


class CallDesk(Strict):
    """The call desk. When and how often one may call stands in include/calling; `hours` are those words for its lists.
    `per_agent`: calls that an agent makes in a day. `complaint_owner`: who answers what comes up on the phone.
    `screened`: by country, when its register of numbers was last looked at. `local_holidays`: days off of a part of a
    country are kept too."""

    capacity: int = Field(40, ge=0)
    consent_days: int = Field(365, ge=1)
    hours: str
    per_agent: Count = 60
    complaint_owner: Words = "manager"
    screened: dict[str, date] = Field(default_factory=dict)
    local_holidays: bool = False


class Access(Strict):
    """Who sees what on the pages in Airflow: names of roles as Airflow's auth manager has them (`admin`, `Op`), or
    `user:` and a name. A named user comes before any role, and ops before manager before agent.

    With Airflow's simple auth manager, whose roles are fixed, call agents are named: their role there is `viewer`.
    """

    ops: list[Words] = Field(["admin", "op", "user", "Admin", "Op", "User", "MarketingOps"])
    """everything"""
    manager: list[Words] = Field(["viewer", "Viewer", "ShopManager"])
    """figures, no personal data"""
    agent: list[Words] = Field(["CallAgent"])
    """the call desk, one customer at a time"""


class ReportSettings(Strict):
    """The quarterly report: who gets it by e-mail, with its CSVs. Nobody: it only lies in the folder of results."""

    to: list[Annotated[str, Field(pattern=r"^[^@\s,;<>]+@[^@\s,;<>]+$", max_length=254)]] = Field(
        default_factory=list, max_length=50
    )


class Shop(Strict):
    name: str
    legal: str
    language: Language
    languages: list[Language]
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    timezone: Timezone
    country: str = Field(pattern=r"^[A-Z]{2}$")
    place: str
    return_address: str
    postal_address: list[str]
    phone: str
    email: str
    website: str
    privacy: str
    letterhead: Letterhead
    envelopes: dict[str, Envelope] = Field(default_factory=dict)
    sender: SenderSettings
    segments: SegmentSettings = SegmentSettings()
    scoring: Scoring = Scoring()
    validation: ValidationLimits = ValidationLimits()
    calls: CallDesk
    letters: LetterSettings = LetterSettings()
    caps: ShopCaps = ShopCaps()
    holdout: GlobalHoldout = GlobalHoldout()
    budget: Budget = Budget()
    margin: Margin | None = None
    lifetime: LifetimeSettings = LifetimeSettings()
    costs: Costs = Costs()
    inserts: dict[InsertCode, Insert] = Field(default_factory=dict)
    approval: Approval = Approval()
    breaker: Breaker = Breaker()
    retention: Retention = Retention()
    access: Access = Access()
    report: ReportSettings = ReportSettings()

    @model_validator(mode="after")
    def _the_envelope_is_known(self) -> Shop:
        known = shipped() | self.envelopes
        if self.letterhead.envelope not in known:
            raise Findings([Finding(("letterhead", "envelope"), f"no such envelope; there are {', '.join(known)}")])
        return self

    @property
    def envelope(self) -> Envelope:
        """The one that letters go out in."""
        return (shipped() | self.envelopes)[self.letterhead.envelope]

    @property
    def tz(self) -> tzinfo:
        return ZoneInfo(self.timezone)


def load_shop(
    path: Path | None = None, overrides: dict[str, Any] | None = None, *, overridden_in: Path | None = None
) -> Shop:
    """The shop's settings. A source file, `overridden_in`, may override some (`shop:` in include/sources/*.yaml)."""
    path = path or INCLUDE / "shop.yaml"
    content = merge(read_yaml(path), overrides or {})
    return validate(path, Shop, content, overrides=overrides, overridden_in=overridden_in)
