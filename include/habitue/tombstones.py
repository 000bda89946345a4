"""Who asked to be forgotten: the holds that an import meets. Of them only the number comes in, whatever a shop has."""

from __future__ import annotations

from sqlalchemy import Engine, select

from habitue import blanks
from habitue.blanks import Sought
from habitue.house import House
from habitue.tables import Hold, hold


def erased(engine: Engine) -> list[str]:
    """The numbers of everybody who was erased, or is to be."""
    mine = select(hold.c.customer_id).where(hold.c.reason == Hold.ERASED, hold.c.closed_at.is_(None))
    with engine.connect() as connection:
        return list(connection.scalars(mine.order_by(hold.c.customer_id)))


def forget_draft(house: House) -> None:
    """Takes out of the night's draft who was erased since its customers were read."""
    if ids := erased(house.engine):
        sought = Sought(ids)
        for draft in house.lake.snapshots.glob(".draft-*"):
            for path in (
                draft / "customers.parquet",
                draft / "problems.parquet",
                draft / "quarantine/customers.parquet",
            ):
                if path.exists():
                    blanks.blank_table(path, sought)
