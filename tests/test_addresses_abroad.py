"""Letters abroad: seventy-odd countries, each as its own post writes it."""

from __future__ import annotations

from dataclasses import replace

import pypdfium2
import pytest

from habitue.addresses import AddressProblem, address_lines
from habitue.letters import Press
from habitue.shop import load_shop
from zoes_letter import ON, letter

# country, then street, postcode and town as customers type them, then the block below the name.
ABROAD = [
    ("AD", "Carrer Major 5", "AD500", "Andorra la Vella", ("Carrer Major 5", "AD500 ANDORRA LA VELLA", "ANDORRE")),
    (
        "AE",
        "Office 401, Al Fahidi Street 12",
        "",
        "Dubai",
        ("Office 401, Al Fahidi Street 12", "DUBAI", "ÉMIRATS ARABES UNIS"),
    ),
    (
        "AR",
        "Avenida Corrientes 1234",
        "C1043AAZ",
        "Buenos Aires",
        ("Avenida Corrientes 1234", "C1043AAZ BUENOS AIRES", "ARGENTINE"),
    ),
    ("AT", "Mariahilfer Straße 10/7", "1060", "Wien", ("Mariahilfer Straße 10/7", "1060 WIEN", "AUTRICHE")),
    ("AU", "12 Harbour Street", "2000", "Sydney", ("12 Harbour Street", "SYDNEY NSW 2000", "AUSTRALIE")),
    ("BA", "Ferhadija 3", "71000", "Sarajevo", ("Ferhadija 3", "71000 SARAJEVO", "BOSNIE-HERZÉGOVINE")),
    ("BE", "Rue de la Loi 16", "B-1000", "Bruxelles", ("Rue de la Loi 16", "1000 BRUXELLES", "BELGIQUE")),
    ("BG", "ul. Vitosha 15", "1000", "Sofia", ("ul. Vitosha 15", "1000 SOFIA", "BULGARIE")),
    ("BR", "Rua das Flores, 123", "01234000", "São Paulo", ("Rua das Flores, 123", "SÃO PAULO", "01234-000", "BRÉSIL")),
    ("BY", "vul. Lenina 5", "220030", "Minsk", ("vul. Lenina 5", "220030, MINSK", "BIÉLORUSSIE")),
    ("CA", "123 Main Street", "m5v3l9", "Toronto", ("123 Main Street", "TORONTO ON M5V 3L9", "CANADA")),
    ("CH", "Bahnhofstrasse 12", "CH-8001", "Zürich", ("Bahnhofstrasse 12", "8001 ZÜRICH", "SUISSE")),
    (
        "CL",
        "Avenida Providencia 1208",
        "7500571",
        "Santiago",
        ("Avenida Providencia 1208", "7500571 SANTIAGO", "CHILI"),
    ),
    (
        "CN",
        "No. 55 Anjialou Road",
        "100600",
        "Chaoyang, Beijing",
        ("No. 55 Anjialou Road", "CHAOYANG, BEIJING", "100600", "CHINE"),
    ),
    ("CO", "Carrera 7 No. 71-21", "110231", "Bogotá", ("Carrera 7 No. 71-21", "BOGOTÁ, 110231", "COLOMBIE")),
    ("CR", "Avenida Central 100", "10101", "San José", ("Avenida Central 100", "SAN JOSÉ", "10101", "COSTA RICA")),
    ("CY", "Odos Ledras 12", "1011", "Nicosia", ("Odos Ledras 12", "1011 NICOSIA", "CHYPRE")),
    ("CZ", "Václavské náměstí 1", "11000", "Praha 1", ("Václavské náměstí 1", "110 00 PRAHA 1", "TCHÉQUIE")),
    ("DE", "Hauptstraße 12", "D-10115", "Berlin", ("Hauptstraße 12", "10115 BERLIN", "ALLEMAGNE")),
    ("DK", "Vestergade 7, 2. tv.", "1456", "København K", ("Vestergade 7, 2. tv.", "1456 KØBENHAVN K", "DANEMARK")),
    ("DZ", "12 rue Didouche Mourad", "16000", "Alger", ("12 rue Didouche Mourad", "16000 ALGER", "ALGÉRIE")),
    ("EC", "Avenida Amazonas 477", "170517", "Quito", ("Avenida Amazonas 477", "170517", "QUITO", "ÉQUATEUR")),
    ("EE", "Pikk 12-3", "10123", "Tallinn", ("Pikk 12-3", "10123 TALLINN", "ESTONIE")),
    ("EG", "15 Talaat Harb Street", "11511", "Cairo", ("15 Talaat Harb Street", "CAIRO", "11511", "ÉGYPTE")),
    ("ES", "Calle Mayor 5, 3º B", "28013", "Madrid", ("Calle Mayor 5, 3º B", "28013 MADRID", "ESPAGNE")),
    ("FI", "Mannerheimintie 12 B 8", "00100", "Helsinki", ("Mannerheimintie 12 B 8", "00100 HELSINKI", "FINLANDE")),
    ("FO", "Tinghúsvegur 4", "100", "Tórshavn", ("Tinghúsvegur 4", "100 TÓRSHAVN", "ÎLES FÉROÉ")),
    ("GB", "10 Downing Street", "sw1a2aa", "London", ("10 Downing Street", "LONDON", "SW1A 2AA", "ROYAUME-UNI")),
    ("GE", "Rustaveli Avenue 8", "0108", "Tbilisi", ("Rustaveli Avenue 8", "0108 TBILISI", "GÉORGIE")),
    (
        "GG",
        "La Grande Rue 3",
        "GY13TA",
        "St Peter Port",
        ("La Grande Rue 3", "ST PETER PORT", "GUERNSEY", "GY1 3TA", "GUERNESEY"),
    ),
    ("GR", "Ερμού 15", "10563", "Αθήνα", ("Ερμού 15", "105 63 ΑΘΗΝΑ", "GRÈCE")),
    (
        "HK",
        "Flat 25, 12/F, Acacia Building, 150 Kennedy Road",
        "",
        "Wan Chai",
        ("Flat 25, 12/F, Acacia Bldg", "150 Kennedy Rd", "WAN CHAI", "HONG KONG"),
    ),
    ("HR", "Ilica 42", "HR-10000", "Zagreb", ("Ilica 42", "10000 ZAGREB", "CROATIE")),
    ("HU", "Andrássy út 22", "1061", "Budapest", ("BUDAPEST", "Andrássy út 22", "1061", "HONGRIE")),
    ("ID", "Jalan Merdeka No. 7", "10110", "Jakarta", ("Jalan Merdeka No. 7", "JAKARTA", "10110", "INDONÉSIE")),
    ("IE", "5 Grafton Street", "D02VF25", "Dublin 2", ("5 Grafton Street", "DUBLIN 2", "D02 VF25", "IRLANDE")),
    ("IL", "Rehov Herzl 12", "6688312", "Tel Aviv", ("Rehov Herzl 12", "TEL AVIV 6688312", "ISRAËL")),
    ("IN", "14 Mahatma Gandhi Road", "560001", "Bengaluru", ("14 Mahatma Gandhi Road", "BENGALURU 560001", "INDE")),
    ("IS", "Laugavegur 26", "101", "Reykjavík", ("Laugavegur 26", "101 REYKJAVÍK", "ISLANDE")),
    ("IT", "Via Roma 10", "10121", "Torino", ("Via Roma 10", "10121 TORINO TO", "ITALIE")),
    (
        "JP",
        "1-2-3 Marunouchi",
        "1000005",
        "Chiyoda-ku, Tokyo",
        ("1-2-3 Marunouchi, CHIYODA-KU, TOKYO", "100-0005", "JAPON"),
    ),
    ("KE", "Kenyatta Avenue 20", "00100", "Nairobi", ("Kenyatta Avenue 20", "NAIROBI", "00100", "KENYA")),
    (
        "KR",
        "152 Teheran-ro, Gangnam-gu",
        "06236",
        "Seoul",
        ("152 Teheran-ro, Gangnam-gu", "SEOUL", "06236", "CORÉE DU SUD"),
    ),
    ("LB", "Rue Hamra 120", "1103-2030", "Beyrouth", ("Rue Hamra 120", "BEYROUTH 1103 2030", "LIBAN")),
    ("LI", "Städtle 12", "9490", "Vaduz", ("Städtle 12", "9490 VADUZ", "LIECHTENSTEIN")),
    ("LT", "Gedimino pr. 9", "LT-01103", "Vilnius", ("Gedimino pr. 9", "01103 VILNIUS", "LITUANIE")),
    ("LU", "12 rue de la Poste", "L-2346", "Luxembourg", ("12 rue de la Poste", "2346 LUXEMBOURG", "LUXEMBOURG")),
    ("LV", "Brīvības iela 32", "1010", "Rīga", ("Brīvības iela 32", "RĪGA, LV-1010", "LETTONIE")),
    ("MA", "25 avenue Mohammed V", "10000", "Rabat", ("25 avenue Mohammed V", "10000 RABAT", "MAROC")),
    ("ME", "Njegoševa 8", "81000", "Podgorica", ("Njegoševa 8", "81000 PODGORICA", "MONTÉNÉGRO")),
    ("MK", "Makedonija 11", "1000", "Skopje", ("Makedonija 11", "1000 SKOPJE", "MACÉDOINE DU NORD")),
    ("MT", "27 Triq ir-Repubblika", "vlt1117", "Valletta", ("27 Triq ir-Repubblika", "VALLETTA VLT 1117", "MALTE")),
    ("MU", "Royal Road 5", "11328", "Port Louis", ("Royal Road 5", "11328", "PORT LOUIS", "MAURICE")),
    ("MX", "Calle Madero 12", "06000", "Ciudad de México", ("Calle Madero 12", "06000 CIUDAD DE MÉXICO", "MEXIQUE")),
    ("NL", "Keizersgracht 123", "1015cj", "Amsterdam", ("Keizersgracht 123", "1015 CJ AMSTERDAM", "PAYS-BAS")),
    ("NO", "Karl Johans gate 14", "N-0154", "Oslo", ("Karl Johans gate 14", "0154 OSLO", "NORVÈGE")),
    ("NZ", "12 Queen Street", "1010", "Auckland", ("12 Queen Street", "AUCKLAND 1010", "NOUVELLE-ZÉLANDE")),
    ("PE", "Avenida Larco 345", "15074", "Lima", ("Avenida Larco 345", "LIMA 15074", "PÉROU")),
    (
        "PL",
        "ul. Marszałkowska 10 m. 4",
        "00590",
        "Warszawa",
        ("ul. Marszałkowska 10 m. 4", "00-590 WARSZAWA", "POLOGNE"),
    ),
    (
        "PT",
        "Rua Augusta 27, 2.º Dto.",
        "1100053",
        "Lisboa",
        ("Rua Augusta 27, 2.º Dto.", "1100-053 LISBOA", "PORTUGAL"),
    ),
    ("RO", "Strada Lipscani 18", "030033", "București", ("Strada Lipscani 18", "030033 BUCUREȘTI", "ROUMANIE")),
    ("RS", "Knez Mihailova 6", "11000", "Beograd", ("Knez Mihailova 6", "11000 BEOGRAD", "SERBIE")),
    ("RU", "ул. Тверская, д. 7", "125009", "Москва", ("ул. Тверская, д. 7", "МОСКВА", "125009", "RUSSIE")),
    ("SE", "Drottninggatan 5", "SE-111 51", "Stockholm", ("Drottninggatan 5", "111 51 STOCKHOLM", "SUÈDE")),
    ("SG", "10 Bayfront Avenue", "018956", "Singapore", ("10 Bayfront Avenue", "SINGAPORE 018956", "SINGAPOUR")),
    ("SI", "Čopova ulica 3", "SI-1000", "Ljubljana", ("Čopova ulica 3", "1000 LJUBLJANA", "SLOVÉNIE")),
    ("SK", "Hlavná 12", "04001", "Košice", ("Hlavná 12", "040 01 KOŠICE", "SLOVAQUIE")),
    ("TH", "99 Rama IV Road", "10500", "Bangkok", ("99 Rama IV Road", "BANGKOK", "10500", "THAÏLANDE")),
    ("TN", "10 avenue Habib Bourguiba", "1000", "Tunis", ("10 avenue Habib Bourguiba", "1000 TUNIS", "TUNISIE")),
    ("TR", "İstiklal Caddesi No. 45", "34430", "Beyoğlu", ("İstiklal Caddesi No. 45", "34430 BEYOĞLU", "TURQUIE")),
    ("UA", "вул. Хрещатик, 22", "01001", "Київ", ("вул. Хрещатик, 22", "КИЇВ", "01001", "UKRAINE")),
    (
        "US",
        "1600 Pennsylvania Avenue NW",
        "20500",
        "Washington",
        ("1600 Pennsylvania Avenue NW", "WASHINGTON, DC 20500", "ÉTATS-UNIS"),
    ),
    ("VN", "12 Tràng Tiền", "100000", "Hà Nội", ("12 Tràng Tiền", "HÀ NỘI", "100000", "VIÊT NAM")),
    ("ZA", "5 Adderley Street", "8001", "Cape Town", ("5 Adderley Street", "CAPE TOWN", "8001", "AFRIQUE DU SUD")),
]


def block(country: str, street: str, postcode: str, town: str, *, extra: str | None = None) -> tuple[str, ...]:
    return address_lines("M", "Jo", "Doe", extra, street, postcode, town, country, language="en")[1:]


def rule(*where: str) -> str:
    with pytest.raises(AddressProblem) as refused:
        block(*where)
    return refused.value.rule


def test_there_are_seventy_countries_each_once() -> None:
    assert len({country for country, *_ in ABROAD}) == len(ABROAD) >= 70


@pytest.mark.parametrize(("country", "street", "postcode", "town", "written"), ABROAD, ids=[row[0] for row in ABROAD])
def test_each_country_has_its_own_order(
    country: str, street: str, postcode: str, town: str, written: tuple[str, ...]
) -> None:
    assert block(country, street, postcode, town) == written


def test_every_one_of_them_is_printed_within_the_window() -> None:
    """In the narrowest one, with every glyph: the fonts hold them all."""
    shop = load_shop(overrides={"letterhead": {"envelope": "de_dl_b"}})
    batch = [
        replace(letter(shop, number), address=("MR Jo DOE", *written)) for number, (*_, written) in enumerate(ABROAD, 1)
    ]
    printed = Press(shop, on=ON).print(batch)
    assert printed.refused == []
    document = pypdfium2.PdfDocument(printed.pdf)
    for page, one in zip(printed.pages, batch, strict=True):
        text = document[page - 1].get_textpage().get_text_bounded()
        assert all(line in text for line in one.address)


@pytest.mark.parametrize(
    "where",
    [
        ("DE", "Hauptstraße 12", "1011", "Berlin"),
        ("DE", "Hauptstraße 12", "", "Berlin"),
        ("GB", "10 Downing Street", "75001", "London"),
        ("NL", "Keizersgracht 123", "1015", "Amsterdam"),
        ("US", "1 Main Street", "ABCDE", "Boise"),
        ("PT", "Rua Augusta 27", "1100", "Lisboa"),
    ],
)
def test_a_postcode_that_the_country_has_not_gets_no_letter(where: tuple[str, str, str, str]) -> None:
    assert rule(*where) == "bad_postcode"


def test_a_province_is_no_town_unless_one_is_called_so() -> None:
    assert rule("IT", "Via Toledo 1", "80134", "NA") == "no_town"
    assert block("IT", "Via Toledo 1", "80134", "Napoli")[1] == "80134 NAPOLI NA"
    assert block("IT", "Via Roma 1", "28856", "Re")[1] == "28856 RE VB"
    assert rule("US", "1 Main Street", "10001", "NY") == "no_town"


def test_a_country_without_postcodes_needs_none() -> None:
    assert block("HK", "1 Peak Road", "0000", "Central") == ("1 Peak Road", "CENTRAL", "HONG KONG")


def test_a_long_street_is_abbreviated_then_parted_and_never_cut() -> None:
    assert block("GB", "Apartment 12, The Old Custom House Building, Quay Street", "BS1 4DJ", "Bristol")[:2] == (
        "Apt 12, The Old Custom House Bldg",
        "Quay St",
    )
    street = "Rindfleischetikettierungsüberwachungsweg"
    assert rule("DE", street, "10115", "Berlin") == "address_line_too_long"
    two = block("DE", "Straße der Pariser Kommune am alten Ostbahnhof 12", "10115", "Berlin")
    assert " ".join(two[:-2]) == "Straße der Pariser Kommune am alten Ostbahnhof 12"


def test_a_script_that_no_font_holds_is_said_beforehand() -> None:
    assert rule("JP", "丸の内1-2-3", "1000005", "東京") == "address_not_latin"


def test_a_shop_in_munich_names_france_and_not_germany() -> None:
    at_home = address_lines("M", "Jo", "Doe", None, "Hauptstr. 1", "10115", "Berlin", None, language="en", home="DE")
    assert at_home[-1] == "10115 BERLIN"
    to_france = address_lines("M", "Jo", "Doe", None, "1 rue Haute", "69002", "Lyon", "FR", language="en", home="DE")
    assert to_france[-2:] == ("69002 LYON", "FRANCE")
