"""A town whose people have left and may be called: a list of the call desk, and what its agents do there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from httpx import Response
from sqlalchemy import Engine, RowMapping, insert, select, text, update

from habitue.campaigns import Campaign
from habitue.house import House
from habitue.tables import consent, customer, message, metadata, segment, snapshot
from ops_site import Site
from people import AT, LONG_AGO, ON, SECRET, SPRING, event, marked, person, standing
from test_plans import campaign, planned

RUN = f"winback:{ON}"
LASTS = timedelta(days=30)


def name_of(number: int) -> str:
    return f"caller{number:05}"


def call_list(engine: Engine, people: int = 6, **known: Any) -> list[UUID]:
    """Opens a list of so many customers, the best first: their lines. `known`: what is known of each besides."""
    who = [
        person(name_of(n), first_name="Boris", last_name=f"Vasseur {n}", phone=f"+33199{n:06}", household=None, **known)
        for n in range(1, people + 1)
    ]
    groups = [standing(name_of(n), "lapsed", worth=1_000_000 - n, last=LONG_AGO) for n in range(1, people + 1)]
    agreed = [event(one["customer_id"], "call", "granted", SPRING, valid_until=date(2027, 4, 2)) for one in who]
    with engine.begin() as connection:
        connection.execute(insert(customer), [marked(one) for one in who])
        connection.execute(insert(segment), groups)
        connection.execute(insert(consent), agreed)
        connection.execute(
            insert(snapshot).values(snapshot_id=ON.isoformat(), taken_on=ON, manifest_sha256="0", loaded_at=AT)
        )
    planned(engine, _winback(people))
    with engine.begin() as connection:
        connection.execute(update(message).values(state="accepted", settled_at=AT))
        connection.execute(
            text(
                "insert into call_line (message_id, run_id, customer_id, rank, law, timezone, phone_mark, value_cents,"
                " favourites, opened_at, expires_at) select m.message_id, m.run_id, m.customer_id, m.position, 'fr',"
                " c.timezone, c.phone_mark, s.lifetime_cents, array['Darjeeling de printemps', 'Thé vert'], :at, :until"
                " from message m join customer c using (customer_id) join segment s using (customer_id)"
            ),
            {"at": AT, "until": AT + LASTS},
        )
        connection.execute(text("analyze"))
        return list(connection.execute(select(message.c.message_id).order_by(message.c.position)).scalars())


def _winback(people: int) -> Campaign:
    treatment = {
        "ways": [{"channel": "call", "template": "winback"}],
        "offer": {
            "text": {"fr": "20 € offerts sur votre prochain panier.", "en": "€20 off your next basket."},
            "valid_days": 60,
        },
    }
    return campaign(
        name="winback",
        title={"fr": "Prendre des nouvelles", "en": "Win-back calls"},
        treatments={"lapsed": treatment},
        capacity={"call": people},
    )


def house_of(engine: Engine, out: object) -> House:
    url = engine.url.render_as_string(hide_password=False)
    return House.of(
        {
            "HABITUE_DATABASE_URL": url,
            "HABITUE_OUT": str(out),
            "HABITUE_SECRET": SECRET.decode(),
            "HABITUE_TODAY": ON.isoformat(),
        }
    )


class Desk:
    """The pages, and what agents do on them. `at[-1]` is the moment."""

    def __init__(self, engine: Engine, out: object) -> None:
        self.engine, self.house, self.at = engine, house_of(engine, out), [AT]
        self.site = Site(self.house, lambda: self.at[-1])

    def later(self, **time: float) -> None:
        self.at.append(self.at[-1] + timedelta(**time))

    def next(self, who: str = "anna") -> str:
        """The card that the agent is led to."""
        answer = self.site.post(who, "/desk/next")
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"].rpartition("/")[2])

    def open(self, card: str, who: str = "anna", **known: str) -> Response:
        found: Response = self.site.get(who, f"/desk/card/{card}", **known)
        return found

    def dial(self, card: str, who: str = "anna") -> str:
        """Dials; the number of the attempt."""
        answer = self.site.post(who, f"/desk/card/{card}/dial")
        assert answer.status_code == 303, answer.text
        return attempt_in(self.open(card, who).text)

    def end(self, card: str, attempt: str, disposition: str, who: str = "anna", **said: object) -> Response:
        path = f"/desk/card/{card}/end"
        found: Response = self.site.post(who, path, attempt=attempt, disposition=disposition, **said)
        return found

    def call(self, disposition: str, who: str = "anna", **said: object) -> str:
        """The next customer, from the first click to the last."""
        card = self.next(who)
        answer = self.end(card, self.dial(card, who), disposition, who, **said)
        assert answer.status_code == 200, answer.text
        return card

    def rows(self, name: str, **where: object) -> Sequence[RowMapping]:
        table = metadata.tables[name]
        wanted = [table.c[column] == value for column, value in where.items()]
        with self.engine.connect() as connection:
            found = select(table).where(*wanted).order_by(*table.primary_key.columns)
            return connection.execute(found).mappings().all()

    def line(self, card: str) -> RowMapping:
        (found,) = self.rows("call_line", message_id=UUID(card))
        return found


def attempt_in(page: str) -> str:
    found = re.search(r'name="attempt" value="(\d+)"', page)
    assert found, "nothing is under way"
    return found[1]


def moment(day: date, hour: int, minute: int = 0) -> dict[str, str]:
    """What a form says of a callback."""
    return {"day": day.isoformat(), "time": f"{hour:02}:{minute:02}"}
