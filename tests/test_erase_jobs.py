"""SendGrid's copy: its erase job is ordered for every address, and what it did not take stays to be done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from erase_stub import EraseStub
from habitue import erasures
from habitue.erase_jobs import LARGEST, MOST, EraseJobs, batches
from habitue.errors import SendError
from habitue.house import House
from habitue.providers import Access
from lived_in import lived, one, person, town
from search import needles, search
from test_runs import now

__all__ = ["lived", "town"]


def sending_with(house: House, stub: EraseStub) -> House:
    sender = house.shop.sender
    chosen = sender.model_copy(
        update={"kind": "sendgrid", "sendgrid": sender.sendgrid.model_copy(update={"base_url": stub.base_url})}
    )
    return replace(house, shop=house.shop.model_copy(update={"sender": chosen}), access=Access(password=stub.key))


def ask(house: House, who: dict[str, Any]) -> None:
    erasures.order(house.engine, [who["customer_id"]], rule="asked", by="olga", reason="asked", at=now())


def test_twelve_thousand_addresses_are_three_jobs_within_both_limits() -> None:
    addresses = [f"{number:05}@example.fr" for number in range(12_000)]
    with EraseStub() as stub:
        jobs = EraseJobs(stub.key, stub.base_url).order(addresses)
    assert jobs == ["job-1", "job-2", "job-3"]
    assert stub.addresses == addresses
    long = [f"{'é' * 100}{number}@example.fr" for number in range(MOST)]
    bodies = list(batches(long))
    assert len(bodies) > 1
    assert max(map(len, bodies)) <= LARGEST
    assert list(batches([])) == []


def test_what_passes_is_tried_again_and_what_stays_wrong_is_not() -> None:
    with EraseStub(429, 503) as stub:
        assert EraseJobs(stub.key, stub.base_url, pause=0).order(["anna@example.fr"]) == ["job-1"]
    with EraseStub(500, 500, 500, 500) as stub, pytest.raises(SendError, match=r"took no erase job \(500\)") as found:
        EraseJobs(stub.key, stub.base_url, pause=0).order(["anna@example.fr"])
    assert (found.value.permanent, stub.requests) == (False, 4)
    with EraseStub() as stub, pytest.raises(SendError, match=r"401.*recipients.erasejob.create") as refused:
        EraseJobs("another key", stub.base_url, pause=0).order(["anna@example.fr"])
    assert (refused.value.permanent, stub.requests) == (True, 1)
    assert "anna" not in str(found.value) + str(refused.value)


def test_sendgrid_is_told_every_address_that_she_ever_had(town: House) -> None:
    anna = person(town, "letter")
    with town.engine.begin() as connection:
        connection.execute(
            text("update customer set email = 'New.Address@example.fr' where customer_id = :id"),
            {"id": anna["customer_id"]},
        )
    with EraseStub() as stub:
        house = sending_with(town, stub)
        ask(house, anna)
        done = erasures.complete(house, at=now())
    assert sorted(stub.addresses) == sorted(["new.address@example.fr", anna["email"].lower()])
    assert (done.people, done.jobs) == (1, 1)
    assert one(town, "select provider from erasure") == "taken"


def test_where_sendgrid_is_down_all_else_is_done_and_run_again_it_is_finished(town: House) -> None:
    anna = person(town, "letter")
    with EraseStub(403) as stub:
        house = sending_with(town, stub)
        ask(house, anna)
        pending = erasures.complete(house, at=now())
        assert (pending.people, "403" in str(pending.provider)) == (0, True)
        found = search(town, needles(anna))
        assert {place for place, _ in found} == {"erasing/people.parquet"}
        kept = pq.read_table(house.out / "erasing" / "people.parquet").to_pylist()  # no more than what the job needs
        assert {name for row in kept for name, value in row.items() if value} == {"customer_id", "email"}
        assert one(town, "select provider from erasure") is None
        done = erasures.complete(house, at=now())
    assert (done.people, done.jobs, done.provider) == (1, 1, None)
    assert stub.addresses == [anna["email"].lower()]
    assert search(town, needles(anna)) == set()


def test_whoever_says_so_leaves_sendgrid_out(town: House) -> None:
    with EraseStub() as stub:
        house = sending_with(town, stub)
        ask(house, person(town, "letter"))
        assert erasures.complete(house, at=now(), ask_provider=False).people == 1
    assert (stub.requests, one(town, "select provider from erasure")) == (0, "skipped")
