"""What the demonstration shop "Maison Tilleul" sells and where its customers live: plain lists, no code to speak of.

Prices are in cents, including VAT. A season is twelve factors, January first, on how readily a product is picked.
Towns stand with a postcode that La Poste really uses for them, overseas departments and CEDEX offices among them.
"""

from __future__ import annotations

from typing import NamedTuple


class Product(NamedTuple):
    reference: str
    label: str
    category: str
    cents: int
    appeal: float


class Town(NamedTuple):
    postcode: str
    name: str
    weight: float


SEASONS: dict[str, tuple[float, ...]] = {
    "THE": (1.2, 1.1, 1.0, 0.9, 0.8, 0.7, 0.6, 0.6, 0.9, 1.1, 1.2, 1.3),
    "INF": (1.3, 1.2, 1.0, 0.9, 0.8, 0.8, 0.7, 0.7, 0.9, 1.1, 1.2, 1.2),
    "GLA": (0.2, 0.2, 0.5, 0.9, 1.5, 2.4, 2.8, 2.3, 1.2, 0.4, 0.2, 0.2),
    "CAF": (1.0, 1.0, 1.0, 1.0, 0.9, 0.9, 0.8, 0.8, 1.0, 1.1, 1.1, 1.1),
    "SUC": (0.9, 0.9, 1.0, 1.0, 1.0, 1.0, 0.9, 0.9, 1.0, 1.1, 1.2, 1.5),
    "CHO": (0.9, 1.3, 1.6, 1.6, 0.6, 0.4, 0.3, 0.3, 0.7, 1.1, 1.6, 2.4),
    "SAL": (0.8, 0.8, 0.9, 1.0, 1.2, 1.3, 1.3, 1.2, 1.0, 1.0, 1.1, 1.5),
    "MAI": (0.9, 0.9, 0.9, 1.0, 1.2, 1.0, 0.9, 0.8, 1.0, 1.0, 1.2, 1.6),
    "BOU": (0.9, 0.9, 0.8, 0.7, 0.7, 0.6, 0.5, 0.6, 1.0, 1.3, 1.6, 2.0),
    "COF": (0.5, 0.8, 0.5, 0.6, 1.2, 0.8, 0.4, 0.4, 0.5, 0.7, 1.8, 3.5),
    "NOE": (0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.4, 2.5, 4.5),
}

# One product a line: label | price in cents | appeal. The reference is the category and the place in its list.
_CATALOGUE = {
    "THE": """Thé vert sencha du matin 100 g|1290|2.4
Thé vert à la menthe douce 100 g|1090|2.6
Thé vert jasmin en perles 80 g|1680|1.2
Thé vert yuzu et fleur d’oranger 100 g|1250|1.6
Matcha de cérémonie 30 g|2890|0.6
Thé noir Assam petit déjeuner 100 g|990|2.0
Thé noir Darjeeling de printemps 80 g|1890|0.9
Thé noir Ceylan haute altitude 100 g|1190|1.3
Earl Grey fleurs bleues 100 g|1120|2.5
Thé noir quatre fruits rouges 100 g|1090|1.8
Thé noir caramel beurre salé 100 g|1150|1.7
Thé noir fumé du Fujian 100 g|1390|0.7
Thé noir de la maison, boîte 125 g|1490|2.2
Thé blanc aiguilles d’argent 50 g|2290|0.5
Thé blanc pêche de vigne 60 g|1590|0.8
Oolong lait de montagne 80 g|1790|0.7
Pu-erh impérial en galette 100 g|2450|0.4
Vingt sachets Earl Grey|790|2.1
Vingt sachets sencha|790|1.8
Vingt sachets thé des Tilleuls|820|2.3""",
    "INF": """Tilleul en bractées 40 g|790|2.2
Verveine entière de Provence 40 g|850|2.0
Camomille romaine 50 g|820|1.5
Infusion nuit calme 80 g|950|1.9
Infusion digestion légère 80 g|950|1.4
Rooibos vanille de Tahiti 100 g|1050|1.8
Rooibos agrumes 100 g|990|1.2
Hibiscus et fruits noirs 100 g|920|1.1
Menthe poivrée bio 50 g|760|1.5
Vingt sachets verveine-menthe|720|2.0
Vingt sachets nuit calme|740|1.8
Carcadet du jardin 100 g|880|0.8""",
    "GLA": """Thé glacé pêche-abricot, 10 infusettes|890|1.6
Thé glacé citron-gingembre, 10 infusettes|890|1.4
Infusion glacée fraise-basilic, 10 infusettes|920|1.1
Sirop de fleur de sureau 50 cl|1150|1.2
Carafe à infuser 1,2 l|3290|0.5""",
    "CAF": """Café en grains de la maison 250 g|890|2.4
Café moulu de la maison 250 g|890|2.0
Café d’Éthiopie Sidamo 250 g|1150|1.3
Café de Colombie 250 g|1050|1.2
Décaféiné à l’eau 250 g|1090|0.9
Café vert du Brésil 500 g|1390|0.4
Dix capsules compostables intenses|520|1.7
Cafetière à piston 8 tasses|4490|0.3""",
    "SUC": """Confiture d’abricot du Roussillon 320 g|690|2.0
Confiture de fraise gariguette 320 g|720|1.9
Confiture figue et noix 320 g|750|1.2
Marmelade d’orange amère 320 g|690|1.3
Gelée de coing 320 g|680|0.9
Miel d’acacia 250 g|890|1.6
Miel de lavande 250 g|990|1.5
Miel de châtaignier 250 g|920|1.0
Crème de marrons d’Ardèche 350 g|650|1.5
Caramel au beurre salé 220 g|720|1.7
Biscuits sablés au beurre 200 g|590|2.2
Madeleines au citron, sachet de 12|680|1.8
Petits gâteaux à l’anis 150 g|540|1.1
Pain d’épices au miel 300 g|790|1.4
Nougat tendre de Montélimar 180 g|890|1.1
Pâtes de fruits, boîte de 16|1290|1.0
Calissons d’Aix, losange 200 g|1690|0.8
Sirop de violette 25 cl|790|0.7""",
    "CHO": """Tablette noir 72 % Équateur 100 g|620|2.0
Tablette lait noisettes entières 100 g|650|1.9
Tablette blanc framboise 100 g|650|1.0
Chocolat chaud à l’ancienne 250 g|990|1.5
Ballotin assorti 250 g|2190|1.1
Ballotin assorti 500 g|3990|0.6
Orangettes enrobées 150 g|1190|1.1
Pâte à tartiner noisettes 280 g|890|1.6
Mendiants des quatre saisons 150 g|1290|0.9
Œufs pralinés, sachet 200 g|1350|0.8""",
    "SAL": """Huile d’olive de Nyons 50 cl|1990|1.2
Huile de noix 25 cl|1290|0.8
Vinaigre de framboise 25 cl|890|0.8
Moutarde au miel 200 g|520|1.6
Moutarde à l’ancienne 200 g|490|1.6
Fleur de sel de Guérande 125 g|620|1.5
Tapenade noire 90 g|490|1.5
Tartinade tomate-basilic 90 g|490|1.4
Rillettes de saumon 90 g|590|1.1
Terrine de campagne 180 g|680|1.3
Foie gras de canard entier 180 g|3490|0.5
Sardines millésimées 115 g|690|1.1
Olives de Nice 200 g|650|1.0
Poivre de Kampot 50 g|1090|0.7
Mélange d’épices du dimanche 45 g|590|0.9""",
    "MAI": """Théière en fonte 80 cl|5900|0.5
Théière en porcelaine 1 l|4500|0.5
Tasse et soucoupe Tilleul|1890|1.0
Mug émaillé vert tendre|1490|1.4
Duo de bols bretons|2490|0.8
Filtre à thé en coton, lot de 4|690|1.2
Boule à thé en inox|790|1.3
Boîte à thé washi 100 g|890|1.4
Boîte à biscuits en métal|1690|0.9
Torchon en lin lavé|1590|1.0
Nappe en lin 150 × 250 cm|8900|0.2
Plateau en bois d’olivier|3990|0.4
Bouilloire à température réglable|7900|0.3
Balance de cuisine en laiton|6500|0.2""",
    "BOU": """Bougie fleur de tilleul 180 g|2490|1.0
Bougie feu de cheminée 180 g|2490|0.9
Bougie figuier 180 g|2490|0.9
Diffuseur thé blanc 100 ml|2990|0.6
Savon de Marseille à l’olive 300 g|690|1.5
Savon à la verveine 100 g|490|1.4
Eau de linge lavande 200 ml|1390|0.8""",
    "COF": """Coffret découverte, six thés|2990|0.9
Coffret gourmand sucré-salé|4590|0.7
Coffret petit déjeuner|3490|0.7
Coffret apéritif en Provence|3890|0.6
Coffret bien-être, infusions et savon|2790|0.7
Panier garni de la maison|6900|0.4""",
    "NOE": """Thé de Noël orange-cannelle 100 g|1250|1.6
Calendrier de l’avent des thés|3990|0.8
Vingt sachets thé de Noël|860|1.4
Bougie sapin et neige 180 g|2590|0.8
Pain d’épices glacé en étoile|890|1.1
Papillotes, sachet 400 g|1490|1.2""",
}

PRODUCTS: tuple[Product, ...] = tuple(
    Product(f"{category}-{place:03d}", label, category, int(cents), float(appeal))
    for category, lines in _CATALOGUE.items()
    for place, line in enumerate(lines.splitlines(), start=1)
    for label, cents, appeal in [line.split("|")]
)

# Postcode, town. The shop stands in Lyon: the first group comes through its door, the others mostly by its website.
_NEAR = """69001 Lyon|69002 Lyon|69003 Lyon|69004 Lyon|69005 Lyon|69006 Lyon|69007 Lyon|69008 Lyon|69009 Lyon
69100 Villeurbanne|69110 Sainte-Foy-lès-Lyon|69120 Vaulx-en-Velin|69130 Écully|69140 Rillieux-la-Pape
69150 Décines-Charpieu|69160 Tassin-la-Demi-Lune|69170 Tarare|69200 Vénissieux|69220 Belleville-en-Beaujolais
69230 Saint-Genis-Laval|69260 Charbonnières-les-Bains|69300 Caluire-et-Cuire|69330 Meyzieu|69400 Villefranche-sur-Saône
69500 Bron|69600 Oullins-Pierre-Bénite|69700 Givors|69800 Saint-Priest|01000 Bourg-en-Bresse|01700 Miribel
38000 Grenoble|38100 Grenoble|38200 Vienne|38300 Bourgoin-Jallieu|42000 Saint-Étienne|42100 Saint-Étienne
42300 Roanne|71000 Mâcon|26000 Valence|07100 Annonay|73000 Chambéry|74000 Annecy"""
_FAR = """75001 Paris|75003 Paris|75005 Paris|75006 Paris|75008 Paris|75010 Paris|75011 Paris|75012 Paris|75013 Paris
75014 Paris|75015 Paris|75016 Paris|75017 Paris|75018 Paris|75019 Paris|75020 Paris|77000 Melun|77300 Fontainebleau
78000 Versailles|78100 Saint-Germain-en-Laye|91000 Évry-Courcouronnes|92100 Boulogne-Billancourt|92200 Neuilly-sur-Seine
92130 Issy-les-Moulineaux|93100 Montreuil|93200 Saint-Denis|94000 Créteil|94240 L’Haÿ-les-Roses|94300 Vincennes
95000 Cergy|95300 Pontoise|13001 Marseille|13006 Marseille|13008 Marseille|13100 Aix-en-Provence|13200 Arles
06000 Nice|06400 Cannes|06600 Antibes|83000 Toulon|84000 Avignon|04000 Digne-les-Bains|05000 Gap|20000 Ajaccio
20200 Bastia|30000 Nîmes|34000 Montpellier|34200 Sète|11000 Carcassonne|66000 Perpignan|48000 Mende|12000 Rodez
31000 Toulouse|31400 Toulouse|81000 Albi|82000 Montauban|32000 Auch|09000 Foix|65000 Tarbes|64000 Pau
64200 Biarritz|64500 Saint-Jean-de-Luz|40100 Dax|47000 Agen|46000 Cahors|24000 Périgueux|19100 Brive-la-Gaillarde
33000 Bordeaux|33120 Arcachon|33500 Libourne|16000 Angoulême|17000 La Rochelle|87000 Limoges|86000 Poitiers|79000 Niort
85000 La Roche-sur-Yon|44000 Nantes|44600 Saint-Nazaire|49000 Angers|53000 Laval|72000 Le Mans|56000 Vannes
56100 Lorient|29000 Quimper|29200 Brest|22000 Saint-Brieuc|35000 Rennes|35400 Saint-Malo|50100 Cherbourg-en-Cotentin
14000 Caen|14800 Deauville|61000 Alençon|27000 Évreux|76000 Rouen|76600 Le Havre|80000 Amiens|60000 Beauvais
60200 Compiègne|02000 Laon|59000 Lille|59100 Roubaix|59140 Dunkerque|59300 Valenciennes|59500 Douai|62000 Arras
62100 Calais|62200 Boulogne-sur-Mer|08000 Charleville-Mézières|51100 Reims|10000 Troyes|52000 Chaumont|54000 Nancy
55000 Bar-le-Duc|57000 Metz|88000 Épinal|67000 Strasbourg|68000 Colmar|68100 Mulhouse|90000 Belfort|25000 Besançon
39000 Lons-le-Saunier|70000 Vesoul|21000 Dijon|21200 Beaune|58000 Nevers|89000 Auxerre|18000 Bourges|36000 Châteauroux
37000 Tours|41000 Blois|45000 Orléans|28000 Chartres|03000 Moulins|03200 Vichy|63000 Clermont-Ferrand
43000 Le Puy-en-Velay|15000 Aurillac|23000 Guéret"""
_RARE = """97100 Basse-Terre|97110 Pointe-à-Pitre|97200 Fort-de-France|97300 Cayenne|97400 Saint-Denis
97410 Saint-Pierre|69432 Lyon CEDEX 03|75380 Paris CEDEX 08|33077 Bordeaux CEDEX|59014 Lille CEDEX|44036 Nantes CEDEX 1
67081 Strasbourg CEDEX|80190 Y|95450 Us|76260 Eu|38114 Oz"""


def _entries(text: str) -> list[str]:
    return [entry for line in text.splitlines() for entry in line.split("|")]


def _towns(text: str, weight: float) -> list[Town]:
    pairs = [entry.split(" ", 1) for entry in _entries(text)]
    return [Town(postcode, name, weight) for postcode, name in pairs]


TOWNS: tuple[Town, ...] = (*_towns(_NEAR, 5.0), *_towns(_FAR, 1.0), *_towns(_RARE, 0.4))

STREETS = _entries("""rue de la République|rue Victor-Hugo|avenue Jean-Jaurès|rue du Général-de-Gaulle|place du Marché
rue de l’Église|rue des Écoles|rue Pasteur|rue de la Gare|avenue de la Libération|chemin des Vignes|impasse des Lilas
rue du Moulin|boulevard Gambetta|quai Saint-Antoine|rue des Tilleuls|allée des Chênes|montée de la Grande-Côte
cours Lafayette|rue de l’Hôtel-de-Ville|route de Genas|rue du 4-Septembre|rue du 11-Novembre-1918|place Bellecour
rue Mercière|faubourg Saint-Martin|passage du Commerce|rue des Frères-Lumière|avenue du Maréchal-Foch|rue Notre-Dame""")
"""Streets that stand in nearly every French town; Faker adds some of its own."""


def phone_zone(postcode: str) -> int:
    """0 to 4: which of the five regional numbering zones (01 to 05) a postcode's fixed lines lie in."""
    for zone, departments in enumerate(_ZONES):
        if postcode[:2] in departments.split():
            return zone
    return 4  # the south-west, and overseas


_ZONES = (
    "75 77 78 91 92 93 94 95",
    "14 18 22 27 28 29 35 36 37 41 44 45 49 50 53 56 61 72 76 85",
    "02 08 10 21 25 39 51 52 54 55 57 58 59 60 62 67 68 70 71 80 88 89 90",
    "01 03 04 05 06 07 11 13 15 20 26 30 34 38 42 43 48 63 66 69 73 74 83 84",
)
"""Departments by zone."""
