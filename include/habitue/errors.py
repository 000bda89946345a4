"""What can go wrong, and whether trying again can help.

    HabitueError                 a sentence for people: what, where, which rule, which fix
    ├── SettingError             shop.yaml, a campaign or a source says something that is not allowed
    ├── SourceError              the shop's data is missing, truncated or has lost a column
    ├── BatchRefused             a batch rule of the validation failed: nothing is published
    ├── LedgerError              counts that do not add up, a run that is not what was asked for
    ├── TemplateError            a text can't be rendered: unknown word, missing language
    ├── SendError(permanent=…)   a provider refused; permanent says that trying again can't help
    ├── MailboxError             the mailbox of returned mail can't be read
    └── Waiting(why, until)      nothing may leave now, by somebody's word or by the clock; later it may

No message holds a name, an address, an e-mail or a number: ids and rules only.
"""

from __future__ import annotations

from datetime import datetime


class HabitueError(Exception):
    """Base of all; `str(error)` is a sentence that says what to do."""


class SettingError(HabitueError):
    pass


class SourceError(HabitueError):
    pass


class BatchRefused(HabitueError):
    """The customer base of today is not fit to write to people; the last good snapshot stays in force."""


class LedgerError(HabitueError):
    pass


class TemplateError(HabitueError):
    pass


class SendError(HabitueError):
    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


class MailboxError(HabitueError):
    pass


class Waiting(HabitueError):
    """Messages that wait for a person or for the clock. `why`: stopped, paused, unapproved, late, outside_hours,
    used_up (the day's e-mails), in_hand (another worker holds them, or died with them)."""

    def __init__(self, message: str, *, why: str, until: datetime | None = None) -> None:
        super().__init__(message)
        self.why = why
        self.until = until
