"""The demonstration shop: believable, harmless, the same each time, and wrong exactly where it says so."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import pandas as pd
import phonenumbers
import pytest

from habitue import demo_shop
from habitue.demo_catalogue import PRODUCTS, SEASONS, TOWNS
from habitue.demo_faults import CUSTOMER_FAULTS, LINE_BREAK
from habitue.demo_people import plain
from habitue.demo_shop import write_shop
from habitue.errors import SettingError

UNTIL = date(2026, 9, 30)
ON = pd.Timestamp("2026-10-01")
FICTION = re.compile(r"\+33(19900|26191|35301|46571|53649)\d{4}")
EMAIL = re.compile(r"[a-z0-9.-]+@example\.(fr|com)", re.IGNORECASE)


@dataclass
class Exports:
    """A written shop, read back by pandas with nothing guessed: every value text, nothing known an empty text."""

    counts: dict[str, int]
    clients: pd.DataFrame
    commandes: pd.DataFrame
    consentements: pd.DataFrame

    @cached_property
    def purchases(self) -> pd.DataFrame:
        """Lines with a known customer, a date and an amount, each once."""
        lines = self.commandes.drop_duplicates()
        lines = lines.assign(
            at=pd.to_datetime(lines["date_heure"], format="%d/%m/%Y %H:%M", errors="coerce"),
            pieces=lines["quantite"].astype(int),
            cents=pd.to_numeric(lines["montant"].str.replace(",", "")),
        )
        return lines[(lines["id_client"] != "") & lines["at"].notna() & lines["cents"].notna()]


def read_csv(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / name, sep=";", dtype=str, keep_default_na=False)


def written(folder: Path, **arguments: object) -> Exports:
    given = {"customers": 300, "seed": 7, "until": UNTIL} | arguments
    counts = write_shop(folder, **given)  # type: ignore[arg-type]
    clients, commandes, consentements = (read_csv(folder, name) for name in demo_shop.FILES.values())
    return Exports(counts, clients, commandes, consentements)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """The shop of the demonstration: 5,000 customers."""
    return written(tmp_path_factory.mktemp("shop"), customers=5000, seed=1)


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_the_same_arguments_give_the_same_bytes(tmp_path: Path, file_format: str) -> None:
    for name in ("one", "two"):
        write_shop(tmp_path / name, customers=300, seed=7, until=UNTIL, format=file_format)  # type: ignore[arg-type]
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    assert len(hashes(tmp_path / "one")) == 3


def test_another_seed_is_another_shop(tmp_path: Path) -> None:
    for seed in (7, 8):
        write_shop(tmp_path / str(seed), customers=300, seed=seed, until=UNTIL)
    one, other = hashes(tmp_path / "7"), hashes(tmp_path / "8")
    assert all(one[name] != other[name] for name in one)


def test_all_five_groups_are_well_filled(shop: Exports) -> None:
    lines = shop.purchases.assign(day=lambda frame: frame["at"].dt.normalize())
    sales, window = lines[lines["pieces"] > 0], lines[lines["day"] > ON - pd.Timedelta(days=365)]
    everyone = shop.clients["id_client"].unique()
    last = sales.groupby("id_client")["day"].max().reindex(everyone)
    days = window[window["pieces"] > 0].groupby("id_client")["day"].nunique().reindex(everyone, fill_value=0)
    basket = window.groupby("id_client")["cents"].sum().reindex(everyone) / days

    prospect, lapsed = last.isna(), (ON - last).dt.days >= 365
    active = ~prospect & ~lapsed
    heavy = basket >= basket[active].quantile(0.67)
    regular = days >= 4
    groups = {
        "regular_heavy": active & regular & heavy,
        "regular_light": active & regular & ~heavy,
        "occasional_heavy": active & ~regular & heavy,
        "occasional_light": active & ~regular & ~heavy,
        "lapsed": lapsed,
    }
    shares = {name: members.mean() for name, members in groups.items()}
    assert min(shares.values()) > 0.05, shares
    assert 0.15 <= shares["lapsed"] <= 0.30
    assert 0.02 <= prospect.mean() <= 0.06
    assert 0.85 * 20 <= len(lines) / len(everyone) <= 1.15 * 20


def test_goods_come_back_and_the_shop_is_closed_on_sundays(shop: Exports) -> None:
    lines = shop.purchases
    back = lines["pieces"] < 0
    assert 0.03 < back.mean() < 0.05
    assert (lines["no_commande"].str.startswith("A") == back).all()
    assert ((lines["cents"] < 0) == back).all()
    assert (lines["at"].dt.day_of_week < 6).all()
    assert not set(lines["at"].dt.strftime("%d/%m")) & {"01/01", "01/05", "14/07", "25/12"}
    unit = pd.to_numeric(lines["prix_unitaire"].str.replace(",", ""))
    assert (unit * lines["pieces"] == lines["cents"]).all()
    by_month = lines.groupby([lines["at"].dt.year, lines["at"].dt.month])["cents"].sum()
    for year in (2023, 2024, 2025):
        assert by_month[year, 12] > 1.5 * by_month[year, 10]


def test_an_order_is_numbered_once_and_its_lines_in_turn(shop: Exports) -> None:
    lines = shop.commandes.drop_duplicates()
    assert not lines.duplicated(["no_commande", "no_ligne"]).any()
    per_order = lines.groupby("no_commande")["no_ligne"]
    assert (per_order.max().astype(int) == per_order.size()).all()
    assert per_order.size().max() <= 8
    assert (shop.purchases.groupby("no_commande")["id_client"].nunique() == 1).all()


def test_nobody_can_be_reached_by_mistake(shop: Exports) -> None:
    emails = shop.clients["courriel"]
    well_formed = emails[emails.str.contains("@")]
    assert well_formed.str.fullmatch(EMAIL).all()
    assert emails[emails != ""].str.endswith((".fr", ".com", ".FR", ".COM")).all()

    phones = shop.clients["telephone"]
    planted = phones == "01 990"
    assert planted.sum() == shop.counts["phone_of_5_digits"]
    for phone in phones[(phones != "") & ~planted]:
        number = phonenumbers.parse(phone, "FR")
        assert phonenumbers.is_valid_number(number)
        assert FICTION.fullmatch(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def test_every_planted_fault_is_found_again(shop: Exports) -> None:
    clients, lines, consents = shop.clients, shop.commandes, shop.consentements
    names = clients["nom"] + "|" + clients["prenom"]
    born = pd.to_datetime(clients["date_naissance"], format="%d/%m/%Y", errors="coerce")
    impossible = (clients["date_naissance"] != "") & (born.isna() | (born.dt.year < 1900) | (born > ON))
    somewhere = clients["code_postal"] != ""
    placeholders = ["xxx", "TEST", "N/A", ""]
    found = {
        "clients": len(clients),
        "commandes": len(lines),
        "consentements": len(consents),
        "email_without_at": ((clients["courriel"] != "") & ~clients["courriel"].str.contains("@")).sum(),
        "placeholder_name": (clients["nom"].isin(placeholders) | clients["prenom"].isin(placeholders)).sum(),
        "postcode_of_4_digits": clients["code_postal"].str.fullmatch(r"\d{4}").sum(),
        "town_missing": (somewhere & (clients["ville"] == "")).sum(),
        "phone_of_5_digits": (clients["telephone"].str.count(r"\d") == 5).sum(),
        "impossible_birth_date": impossible.sum(),
        "line_break_in_name": names.str.contains("\r\nBcc:", regex=False).sum(),
        "formula_in_name": names.str.contains("=HYPERLINK(", regex=False).sum(),
        "jinja_in_name": names.str.contains("{{ 7*7 }}", regex=False).sum(),
        "typst_in_name": names.str.contains("#set ", regex=False).sum(),
        "duplicate_customer": clients.duplicated().sum(),
        "line_without_customer": (lines["id_client"] == "").sum(),
        "duplicate_line": lines.duplicated().sum(),
        "unparseable_date": pd.to_datetime(lines["date_heure"], format="%d/%m/%Y %H:%M", errors="coerce").isna().sum(),
        "empty_amount": (lines["montant"] == "").sum(),
        "unknown_channel": (~consents["canal"].isin(["courrier", "courriel", "appel"])).sum(),
    }
    assert found == shop.counts
    assert min(shop.counts.values()) > 0
    assert sum(shop.counts[kind] for kind in CUSTOMER_FAULTS) == round(0.03 * 5000)
    assert clients["id_client"].nunique() == 5000


def test_a_typed_shop_holds_the_same_people_lines_and_faults(tmp_path: Path) -> None:
    texts = written(tmp_path, customers=1000, seed=7)
    assert write_shop(tmp_path, customers=1000, seed=7, until=UNTIL, format="parquet") == texts.counts
    typed = {name: pd.read_parquet(tmp_path / f"{name}.parquet") for name in demo_shop.FILES}

    def shown(column: pd.Series, written_as: Callable[[object], str]) -> list[str]:
        return ["" if pd.isna(value) else written_as(value) for value in column]

    clients, lines, consents = typed["clients"], typed["commandes"], typed["consentements"]
    for name in ("id_client", "nom", "prenom", "adresse", "code_postal", "ville", "courriel", "telephone"):
        assert shown(clients[name], str) == texts.clients[name].tolist()
    euros = lambda value: f"{value:.2f}".replace(".", ",")  # noqa: E731
    assert shown(lines["montant"], euros) == texts.commandes["montant"].tolist()
    for name in ("no_commande", "id_client", "libelle", "quantite"):
        assert shown(lines[name], str) == texts.commandes[name].tolist()
    assert lines["date_heure"].isna().sum() == texts.counts["unparseable_date"]
    known = lines["date_heure"].notna().to_numpy()
    as_text = lines["date_heure"][known].dt.strftime("%d/%m/%Y %H:%M").tolist()
    assert as_text == texts.commandes["date_heure"][known].tolist()
    assert shown(consents["valable_jusqu_au"], lambda day: f"{day:%d/%m/%Y}") == (
        texts.consentements["valable_jusqu_au"].tolist()
    )
    years = [day.year for day in clients["date_naissance"] if not pd.isna(day)]
    assert sum(year == 1800 or year > 2026 for year in years) == texts.counts["impossible_birth_date"]


def test_nothing_happens_after_the_last_day_nor_after_a_death(shop: Exports) -> None:
    def days(column: pd.Series, written_as: str) -> pd.Series:
        return pd.to_datetime(column, format=written_as).dropna()

    assert (days(shop.clients["cree_le"], "%d/%m/%Y") < ON).all()
    died = pd.to_datetime(shop.clients.set_index("id_client")["decede_le"], format="%d/%m/%Y").dropna()
    assert (died < ON).all()
    assert 10 <= len(died) <= 20
    assert (shop.purchases["at"] < ON).all()
    assert shop.purchases["at"].max() > ON - pd.Timedelta(days=3)
    said = days(shop.consentements["date_heure"], "%d/%m/%Y %H:%M")
    assert (said < ON).all()
    bought = shop.purchases.groupby("id_client")["at"].max()
    heard = said.groupby(shop.consentements["id_client"]).max()
    for person, day in died.items():
        assert bought.get(person, day) <= day
        assert heard.get(person, day) < day + pd.Timedelta(days=1)


def test_a_consent_to_be_called_lasts_a_year_and_many_lapsed_customers_have_none(shop: Exports) -> None:
    calls = shop.consentements[shop.consentements["canal"] == "appel"].copy()
    calls["day"] = pd.to_datetime(calls["date_heure"], format="%d/%m/%Y %H:%M")
    granted = calls[calls["statut"] == "accordé"]
    until = pd.to_datetime(granted["valable_jusqu_au"], format="%d/%m/%Y")
    assert (until == granted["day"].dt.normalize() + pd.DateOffset(years=1)).all()
    assert (calls.loc[calls["statut"] == "retiré", "valable_jusqu_au"] == "").all()
    assert 0.4 < granted["id_client"].nunique() / 5000 < 0.5
    assert 0.05 < (calls["statut"] == "retiré").sum() / granted["id_client"].nunique() < 0.1

    latest = calls.sort_values("day").groupby("id_client").last()
    callable_on = latest[
        (latest["statut"] == "accordé") & (pd.to_datetime(latest["valable_jusqu_au"], format="%d/%m/%Y") >= ON)
    ]
    sales = shop.purchases[shop.purchases["pieces"] > 0]
    last = sales.groupby("id_client")["at"].max().dt.normalize()
    lapsed = last.index[(ON - last).dt.days >= 365]
    assert 0.15 < lapsed.isin(callable_on.index).mean() < 0.5


def test_consents_to_other_channels_come_in_the_shares_promised(shop: Exports) -> None:
    def people(channel: str, status: str) -> int:
        rows = shop.consentements.query("canal == @channel and statut == @status")
        return int(rows["id_client"].nunique())

    assert 0.03 < people("courrier", "refusé") / 5000 < 0.05
    assert 0.75 < people("courriel", "accordé") / 5000 < 0.85
    assert 0.05 < people("courriel", "retiré") / people("courriel", "accordé") < 0.09
    soft = shop.consentements.query("base == 'client existant' and canal == 'courriel'")
    assert set(soft["id_client"]) <= set(shop.commandes["id_client"]), "who never bought must have consented"


def test_odd_people_with_true_names_are_there_to_be_kept(shop: Exports) -> None:
    clients = shop.clients
    for name in ("Null", "NULL", "N’Diaye", "d’Ormesson", "Nuñez", "Wójcik", "Œuvrard", "O'Neill", "Na"):
        assert (clients["nom"] == name).sum() == 1, name
    assert {"Y", "Us", "Eu", "Oz", "NA"} <= set(clients["ville"])
    assert clients["ville"].str.contains("CEDEX").any()
    assert clients["code_postal"].str.startswith(("971", "972", "973", "974")).any()
    assert not (clients == "nan").any(axis=None)
    assert "Ã" not in "".join(clients["nom"])
    assert (clients["langue"] == "en").mean() == pytest.approx(0.12, abs=0.02)
    assert (clients["civilite"] == "").mean() == pytest.approx(0.06, abs=0.015)


def test_couples_share_a_name_and_an_address(shop: Exports) -> None:
    homes = shop.clients.drop_duplicates().query("adresse != ''")
    key = homes["nom"].str.upper() + "|" + homes["adresse"] + "|" + homes["code_postal"]
    assert 0.06 < key.duplicated(keep=False).mean() < 0.1


def test_a_few_customers_are_minors(shop: Exports) -> None:
    born = pd.to_datetime(shop.clients["date_naissance"], format="%d/%m/%Y", errors="coerce")
    young = ((born > ON - pd.DateOffset(years=18)) & (born < ON)).sum()
    assert 8 <= young <= 20


def test_without_faults_every_row_is_right(tmp_path: Path) -> None:
    clean = written(tmp_path, spoilt=0.0)
    faults = {kind: count for kind, count in clean.counts.items() if kind not in demo_shop.FILES}
    assert set(faults.values()) == {0}
    assert len(clean.clients) == 300
    assert not clean.commandes.duplicated().any()
    assert LINE_BREAK not in "".join(clean.clients["nom"])


def test_blocks_neither_repeat_nor_lose_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_shop, "BLOCK", 70)
    heard: list[int] = []
    many = written(tmp_path, spoilt=0.0, on_progress=heard.append)
    assert heard == [70, 140, 210, 280, 300]
    assert many.clients["id_client"].tolist() == [f"C{serial:07d}" for serial in range(1, 301)]
    assert not many.commandes.duplicated(["no_commande", "no_ligne"]).any()
    assert set(many.commandes["id_client"]) <= set(many.clients["id_client"])
    assert set(many.consentements["id_client"]) <= set(many.clients["id_client"])
    assert many.clients["courriel"].replace("", pd.NA).dropna().is_unique


def test_an_interrupted_shop_leaves_the_one_before_in_place(tmp_path: Path) -> None:
    write_shop(tmp_path, customers=40, seed=1, until=UNTIL)
    before = hashes(tmp_path)

    def pull_the_plug(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shop(tmp_path, customers=40, seed=2, until=UNTIL, on_progress=pull_the_plug)
    assert hashes(tmp_path) == before


@pytest.mark.parametrize("customers", [1, 2, 11])
def test_a_shop_may_be_tiny(tmp_path: Path, customers: int) -> None:
    tiny = written(tmp_path, customers=customers, spoilt=0.5)
    assert tiny.clients["id_client"].nunique() == customers


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({"customers": 0}, "customers"),
        ({"seed": -1}, "seed"),
        ({"spoilt": 0.9}, "spoilt"),
        ({"format": "xlsx"}, "format"),
        ({"until": date(1999, 1, 1)}, "until"),
    ],
)
def test_a_wrong_argument_is_a_sentence_that_names_it(tmp_path: Path, wrong: dict[str, object], setting: str) -> None:
    with pytest.raises(SettingError, match=setting):
        written(tmp_path, **wrong)
    assert list(tmp_path.iterdir()) == []


def test_the_catalogue_and_the_towns_are_in_order() -> None:
    assert len({product.reference for product in PRODUCTS}) == len(PRODUCTS) >= 120
    assert len({product.label for product in PRODUCTS}) == len(PRODUCTS)
    assert {product.category for product in PRODUCTS} == set(SEASONS)
    assert all(200 <= product.cents <= 10_000 for product in PRODUCTS)
    assert len({(town.postcode, town.name) for town in TOWNS}) == len(TOWNS) >= 150
    assert all(re.fullmatch(r"\d{5}", town.postcode) for town in TOWNS)


@pytest.mark.parametrize(
    ("name", "written_as"),
    [
        ("Łukasz", "lukasz"),
        ("N’Diaye", "ndiaye"),
        ("Jean-Noël", "jean-noel"),
        ("Œuvrard", "oeuvrard"),
        ("李", "client"),
    ],
)
def test_names_become_plain_in_an_email_address(name: str, written_as: str) -> None:
    assert plain(name) == written_as
