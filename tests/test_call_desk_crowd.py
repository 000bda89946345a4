"""Twenty agents at once on a list of five thousand: nobody is given twice, and nothing is lost."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from call_town import RUN, TEN, former, move_in, opened, planned
from habitue import call_lists
from habitue.call_desk import Dialled, Refusal, dial, finish, next_card
from habitue.call_endings import REACHED, Ending
from habitue.house import House
from habitue.kinds import Disposition, Reason
from habitue.tables import call_attempt, call_line, outcome
from letter_town import house_of

AGENTS, LIST, EACH = 20, 5_000, 8
ENDINGS = (Disposition.NO_ANSWER, Disposition.NOT_INTERESTED, Disposition.WILL_VISIT, Disposition.DO_NOT_CALL, None)


@pytest.fixture(scope="module")
def desk(migrated: Engine, tmp_path_factory: pytest.TempPathFactory) -> House:
    from sqlalchemy import text

    from habitue.tables import metadata

    with migrated.begin() as connection:
        connection.execute(text(f"truncate {', '.join(metadata.tables)}"))
    # Two in a hundred share a telephone with the one before.
    people = [former(f"c{place:04}", place - (place % 50 == 1)) for place in range(LIST)]
    move_in(migrated, people)
    found = house_of(migrated, Path(tmp_path_factory.mktemp("desk")))
    planned(found, caps={"call": {"most": 4, "days": 30}})
    opened(found)
    return found


def test_twenty_agents_never_ring_one_person_and_lose_no_outcome(desk: House) -> None:
    calls: list[tuple[str, str]] = []
    seconds: list[float] = []
    opened_at = time.perf_counter()

    def shift(number: int) -> list[tuple[str, Disposition | None]]:
        agent, draw, told = f"agent {number}", random.Random(number), []
        for turn in range(EACH):
            since = time.perf_counter()
            at = TEN + timedelta(seconds=since - opened_at)  # one clock for all
            card = next_card(desk, agent, at)
            seconds.append(time.perf_counter() - since)
            assert card is not None
            calls.append((card.phone, agent))
            made = dial(desk, card.message_id, agent, at)
            assert not isinstance(made, Refusal)
            how = draw.choice(ENDINGS)
            told.append((card.customer_id, how))
            if how is None and turn < EACH - 1:  # the browser dies: next time the same card comes back, still dialled
                same = next_card(desk, agent, at)
                assert same is not None
                assert (same.customer_id, same.attempt_id) == (card.customer_id, made.attempt_id)
                how = Disposition.WILL_VISIT
                told[-1] = (card.customer_id, how)
            if how is not None:
                finish(desk, made.attempt_id, agent, Ending(how, Reason.PRICE), at)
        return told

    with ThreadPoolExecutor(AGENTS) as pool:
        told = [one for shifts in pool.map(shift, range(AGENTS)) for one in shifts]
    assert len(told) == AGENTS * EACH
    assert [one for one, times in Counter(phone for phone, _ in calls).items() if times > 1] == []
    with desk.engine.connect() as connection:
        kept = {row.customer_id: row.disposition for row in connection.execute(select(call_attempt))}
        reached = connection.scalar(select(func.count()).where(outcome.c.kind == "reached"))
        ranks = connection.scalars(select(call_line.c.rank).where(call_line.c.attempts > 0)).all()
    assert kept == {who: how and how.value for who, how in told}
    assert reached == sum(how in REACHED for _, how in told)
    assert max(ranks) <= AGENTS * (EACH + 1) * 1.1  # the best first
    print(f"next_card: p95 {sorted(seconds)[int(len(seconds) * 0.95)] * 1000:.0f} ms, of {len(seconds)}")


def test_one_agent_alone_waits_for_no_card(desk: House) -> None:
    """The statements behind a card, on five thousand lines: a loose bound, for a busy machine."""
    seconds = []
    for turn in range(20):
        since = time.perf_counter()
        card = next_card(desk, "alone", TEN + timedelta(hours=1, minutes=turn))
        seconds.append(time.perf_counter() - since)
        assert card is not None
        made = dial(desk, card.message_id, "alone", TEN + timedelta(hours=1, minutes=turn))
        assert isinstance(made, Dialled)
        finish(desk, made.attempt_id, "alone", Ending(Disposition.WILL_VISIT), TEN + timedelta(hours=1, minutes=turn))
    print(f"next_card alone: median {sorted(seconds)[10] * 1000:.0f} ms")
    assert sorted(seconds)[10] < 0.5


def test_the_end_of_such_a_list_adds_up(desk: House) -> None:
    call_lists.expire(desk, TEN + timedelta(days=11))
    with desk.engine.connect() as connection:
        counted = dict(connection.execute(select(call_line.c.status, func.count()).group_by(call_line.c.status)).all())  # type: ignore[arg-type]
        told = dict(connection.execute(select(outcome.c.kind, func.count()).group_by(outcome.c.kind)).all())  # type: ignore[arg-type]
    assert sum(counted.values()) == LIST
    assert "open" not in counted
    assert told["released"] == counted["released"]
    assert told["not_reached"] == counted["not_reached"]
    assert RUN
