"""A shop's own database, read where it is: PostgreSQL and SQLite with the same SQL files of the example."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from habitue import databases
from habitue.databases import DatabaseSource
from habitue.errors import SettingError, SourceError
from habitue.extract import extract
from habitue.sources import SourceSpec, load_source, open_source

TABLES = sa.MetaData()
CUSTOMER = sa.Table(
    "shop_customer",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    *(
        sa.Column(name, sa.Text)
        for name in ("title", "first_name", "last_name", "language", "email", "phone", "street")
    ),
    *(sa.Column(name, sa.Text) for name in ("address_extra", "postcode", "city", "country")),
    *(sa.Column(name, sa.Date) for name in ("birth_date", "created_on", "died_on")),
)
ORDER = sa.Table(
    "shop_order",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("customer_id", sa.Integer),
    sa.Column("ordered_at", sa.DateTime),
    sa.Column("state", sa.Text),
    sa.Column("channel", sa.Text),
    sa.Column("offer_code", sa.Text),
)
LINE = sa.Table(
    "shop_order_line",
    TABLES,
    sa.Column("order_id", sa.Integer),
    sa.Column("line_number", sa.Integer),
    sa.Column("product_code", sa.Text),
    sa.Column("product_name", sa.Text),
    sa.Column("quantity", sa.Numeric(9, 2)),
    sa.Column("unit_price", sa.Numeric(9, 2)),
)
CONSENT = sa.Table(
    "shop_consent",
    TABLES,
    *(sa.Column(name, sa.Text) for name in ("channel", "purpose", "status", "basis", "source", "wording_version")),
    sa.Column("customer_id", sa.Integer),
    sa.Column("recorded_at", sa.DateTime),
    sa.Column("valid_until", sa.Date),
)
ON = date(2026, 10, 1)


def at(*moment: int) -> datetime:
    """Shop time, as a till notes it: without a zone."""
    return datetime(*moment)  # type: ignore[arg-type]  # noqa: DTZ001


def fill(engine: sa.Engine) -> None:
    """Anna buys, brings one thing back and never pays for another; Boris was met only after the date."""
    TABLES.drop_all(engine)
    TABLES.create_all(engine)
    with engine.begin() as connection:
        people = [
            {
                "id": 1,
                "first_name": "Anna",
                "title": "Mrs",
                "birth_date": date(1980, 2, 3),
                "created_on": date(2020, 1, 1),
            },
            {"id": 2, "first_name": "Boris", "title": None, "birth_date": None, "created_on": date(2026, 10, 2)},
        ]
        orders = [
            (1, 1, at(2026, 9, 30, 23, 59), "paid", "till"),
            (2, 1, at(2026, 10, 1, 8, 0), "paid", "till"),
            (3, 1, at(2026, 10, 1, 9, 0), "open", "web"),
            (4, None, at(2026, 10, 1, 9, 30), "paid", "till"),
            (5, 1, at(2026, 10, 1, 23, 59), "paid", "web"),
            (6, 1, at(2026, 10, 2, 0, 0), "paid", "web"),
        ]
        lines = [(o, 1, "TEA", "Thé", 2, "6.45") for o in (1, 3, 4, 6)] + [
            (2, 1, "TEA", "Thé", -1, "6.45"),
            (5, 1, "TEA", "Thé", 1, "1234.56"),
            (5, 2, "POSTAGE", "Port", 1, "4.90"),
        ]
        said = {"customer_id": 1, "channel": "call", "status": "granted", "purpose": "marketing", "basis": "consent"}
        connection.execute(CUSTOMER.insert(), people)
        codes = [None, None, None, None, "tea-5", None]
        rows = [(*row, code) for row, code in zip(orders, codes, strict=True)]
        connection.execute(ORDER.insert(), [dict(zip(ORDER.c.keys(), row, strict=True)) for row in rows])
        connection.execute(LINE.insert(), [dict(zip(LINE.c.keys(), row, strict=True)) for row in lines])
        connection.execute(CONSENT.insert(), [{**said, "recorded_at": at(2026, 9, 1, 12), "valid_until": ON}])


def change(url: str, statement: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


@pytest.fixture(params=["postgresql", "sqlite"])
def shop_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A shop's own database: the embedded PostgreSQL by psycopg 3, or a SQLite file."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'till.db'}"
    else:
        from habitue.database import ensure_database

        url = ensure_database(request.getfixturevalue("server"), "habitue_a_shop").render_as_string(hide_password=False)
    engine = sa.create_engine(url)
    fill(engine)
    yield url
    TABLES.drop_all(engine)
    engine.dispose()


@pytest.fixture
def example() -> SourceSpec:
    return load_source("example_sql")


def test_a_shop_s_database_gives_the_staged_customer_base(example: SourceSpec, shop_url: str, tmp_path: Path) -> None:
    source = open_source(example, url=shop_url, timezone="Europe/Paris")
    control = extract(source, tmp_path / "staged", on=ON, since=date(2026, 10, 1))
    assert control == json.loads((tmp_path / "staged" / "control.json").read_text())
    assert control["customers"] == {"read": 2, "kept": 1, "left_out": {"after_date": 1}}
    # The order of 30 September and that of 2 October stayed in the database: nobody read them.
    assert control["orders"] == {
        "read": 5,
        "kept": 2,
        "left_out": {"never_paid": 1, "no_customer": 1, "not_a_product": 1},
    }
    orders = duckdb.sql(f"FROM '{tmp_path}/staged/orders.parquet'").fetchall()
    assert orders == [
        ("2", "1", at(2026, 10, 1, 8, 0), "TEA", "Thé", -1.0, -645, None),
        ("5", "1", at(2026, 10, 1, 23, 59), "TEA", "Thé", 1.0, 123456, "tea-5"),
    ]
    anna = duckdb.sql(f"FROM '{tmp_path}/staged/customers.parquet'").fetchall()[0]
    assert anna[:6] == ("1", "MME", "Anna", None, "1980-02-03", "fr")
    said = duckdb.sql(f"FROM '{tmp_path}/staged/consents.parquet'").fetchall()[0]
    assert (said[0], said[5][:10], said[6]) == ("1", "2026-09-01", "2026-10-01")


def test_a_full_run_takes_every_order_up_to_the_date(example: SourceSpec, shop_url: str, tmp_path: Path) -> None:
    source = open_source(example, url=shop_url, timezone="Europe/Paris")
    assert extract(source, tmp_path / "staged", on=ON, since=None)["orders"]["read"] == 6


def test_rows_come_in_batches_from_a_server_side_cursor(
    example: SourceSpec, shop_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "BATCH_ROWS", 2)
    source = open_source(example, url=shop_url, timezone="Europe/Paris")
    assert [batch.num_rows for batch in source.fetch("orders", None, date(2026, 10, 3))] == [2, 2, 2, 1, 0]


def test_a_day_without_a_sale_is_normal(example: SourceSpec, shop_url: str, tmp_path: Path) -> None:
    source = open_source(example, url=shop_url, timezone="Europe/Paris")
    control = extract(source, tmp_path / "staged", on=date(2026, 12, 25), since=date(2026, 12, 25))
    assert control["orders"] == {"read": 0, "kept": 0, "left_out": {}}
    assert duckdb.sql(f"FROM '{tmp_path}/staged/orders.parquet'").columns[:2] == ["order_id", "customer_id"]


def test_a_lost_column_of_a_database_is_named(example: SourceSpec, shop_url: str) -> None:
    change(shop_url, "ALTER TABLE shop_customer DROP COLUMN phone")
    with pytest.raises(SourceError, match=r"example_customers\.sql reads the column phone, which the database has not"):
        list(open_source(example, url=shop_url, timezone="UTC").fetch("customers", None, ON))


def test_a_lost_table_is_named(example: SourceSpec, shop_url: str) -> None:
    change(shop_url, "DROP TABLE shop_consent")
    with pytest.raises(SourceError, match=r"example_consents\.sql reads the (relation|table) shop_consent"):
        list(open_source(example, url=shop_url, timezone="UTC").fetch("consents", None, ON))


def test_a_parameter_that_nobody_gives_is_named(example: SourceSpec, shop_url: str) -> None:
    poorer = example.model_copy(update={"parameters": {}})
    with pytest.raises(SourceError, match=r"example_orders\.sql wants the parameter web_shop"):
        list(open_source(poorer, url=shop_url, timezone="UTC").fetch("orders", None, ON))


def test_moments_with_a_zone_become_shop_time(shop_url: str, tmp_path: Path) -> None:
    if shop_url.startswith("sqlite"):
        pytest.skip("SQLite knows no zones")
    content = (Path(str(load_source("example_sql").folder)) / "example_sql.yaml").read_text("utf-8")
    moved = content.replace("example_orders.sql", "mine.sql").replace(", unique_by: [order_id, line_number]", "")
    (tmp_path / "mine.yaml").write_text(moved)
    (tmp_path / "mine.sql").write_text(
        "SELECT '1' AS order_id, '1' AS customer_id, TIMESTAMPTZ '2026-09-30 22:30:00+00' AS ordered_at, "
        "NULL AS product_code, NULL AS product_name, 1 AS quantity, 645.4 AS amount_cents"
    )
    source = open_source(load_source(str(tmp_path / "mine.yaml")), url=shop_url, timezone="Europe/Paris")
    first = next(iter(source.fetch("orders", None, ON))).to_pylist()[0]
    assert (first["ordered_at"], first["amount_cents"]) == (at(2026, 10, 1, 0, 30), 645)


def test_a_database_that_is_away_is_an_error_without_its_password(example: SourceSpec) -> None:
    url = "postgresql+psycopg://reader:s3cret@127.0.0.1:1/shop"
    with pytest.raises(SourceError, match="the database can't be reached") as raised:
        list(open_source(example, url=url, timezone="UTC").fetch("customers", None, ON))
    assert "s3cret" not in str(raised.value)


def test_a_url_that_is_none_is_a_wrong_setting(example: SourceSpec) -> None:
    with pytest.raises(SettingError, match="its URL can't be used"):
        list(open_source(example, url="not a url", timezone="UTC").fetch("customers", None, ON))


def test_the_url_comes_from_the_environment_or_a_file(
    example: SourceSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match="set HABITUE_SHOP_URL"):
        open_source(example, timezone="UTC")
    (tmp_path / "secret").write_text("sqlite:///from-file.db\n")
    monkeypatch.setenv("HABITUE_SHOP_URL_FILE", str(tmp_path / "secret"))
    source = open_source(example, timezone="UTC")
    assert isinstance(source, DatabaseSource)
    assert source.url == "sqlite:///from-file.db"
    monkeypatch.setenv("HABITUE_SHOP_URL", "sqlite:///direct.db")
    direct = open_source(example, timezone="UTC")
    assert isinstance(direct, DatabaseSource)
    assert direct.url == "sqlite:///direct.db"


def test_an_airflow_connection_wants_whoever_wires_airflow(example: SourceSpec) -> None:
    wired = example.model_copy(update={"url_from": None, "connection": "shop_db"})
    with pytest.raises(SettingError, match="connection shop_db is Airflow's; outside of it give the URL"):
        open_source(wired, timezone="UTC")
