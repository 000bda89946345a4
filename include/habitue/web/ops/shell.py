"""What all pages in Airflow's UI share: who is there and in which role, the language, the layout.

    routes = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS, Role.MANAGER)])

    @routes.get("/campaigns/")
    def campaigns(here: Here) -> Response:
        return page(here, "campaigns.html.j2", area="campaigns", runs=…)

Every route has an `allowed`, on itself or on its router; every route that writes has `same_origin` too. The frame in
which Airflow shows the pages allows neither dialogues nor new windows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, HTTPException, Request
from fastapi.params import Depends as Dependency
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, pass_context
from jinja2.runtime import Context

from habitue import audit, overview, report
from habitue.colours import palettes
from habitue.house import House
from habitue.kinds import Audited
from habitue.report import web_environment
from habitue.settings import INCLUDE, Language
from habitue.shop import Shop
from habitue.web.ops import assets, words
from habitue.web.pages import root

TEMPLATES = INCLUDE / "templates" / "ops"
COOKIE = "habitue_language"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)


class Role(StrEnum):
    OPS = "ops"
    """everything"""
    MANAGER = "manager"
    """figures, no personal data"""
    AGENT = "agent"
    """the call desk alone, one customer at a time"""


EVERYBODY = tuple(Role)

AREAS = {
    "home": ("/home/", (Role.OPS, Role.MANAGER)),
    "campaigns": ("/campaigns/", (Role.OPS, Role.MANAGER)),
    "customers": ("/customers/", (Role.OPS,)),
    "problems": ("/problems/", (Role.OPS,)),
    "figures": ("/figures/", (Role.OPS, Role.MANAGER)),
    "desk": ("/desk/", (Role.OPS, Role.AGENT, Role.MANAGER)),
    "audit": ("/audit/", (Role.OPS,)),
}
"""The entries of the menu: where each leads, and who sees it."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page. `may_act`: whether they may change the run that it shows (a page of no run: all runs)."""

    name: str
    role: Role | None
    may_act: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: the house, who is there, the moment, where the pages are mounted, and the language."""

    house: House
    visitor: Visitor
    at: datetime
    root: str
    language: Language
    path: str
    """the address of the page, with what it asks for"""

    @property
    def words(self) -> Mapping[str, Any]:
        """The names of groups, channels, states and rules in the visitor's language."""
        return report.words(self.language)

    @property
    def shop(self) -> Shop:
        return self.house.shop

    def say(self, english: str, **known: object) -> str:
        """The sentence in the visitor's language, with `{names}` filled in."""
        said = words.catalogue(self.language).gettext(english)
        return said.format(**known) if known else said

    def url(self, *parts: str) -> str:
        """An address of ours, its parts quoted: `here.url("runs", run_id)`."""
        return "/".join([self.root, *(quote(part, safe="") for part in parts)])

    def note(self, what: Audited, customer_id: str | None = None, **more: Any) -> None:
        """Writes a line of the audit trail in the visitor's name: see `audit.note`."""
        audit.note(self.house.engine, what, by=self.visitor.name, at=self.at, customer_id=customer_id, **more)


def arriving(
    house: Callable[[], House], now: Callable[[House], datetime], visitor: Callable[..., Visitor]
) -> Dependency:
    """The dependency that makes each request's visit."""

    def arrive(request: Request, who: Visitor = Depends(visitor)) -> None:  # noqa: B008 - FastAPI's way
        found = house()
        path = f"{request.url.path}?{request.url.query}".rstrip("?")
        request.state.visit = Visit(found, who, now(found), root(request), _language(request, found.shop), path)

    found: Dependency = Depends(arrive)
    return found


def _visit(request: Request) -> Visit:
    found: Visit = request.state.visit
    return found


Here = Annotated[Visit, Depends(_visit)]


@dataclass(frozen=True)
class Allowed:
    """403 for whoever is in another role. The guard before the pages has kept strangers out."""

    roles: tuple[Role, ...]

    def __call__(self, here: Here) -> None:
        if here.visitor.role not in self.roles:
            raise HTTPException(403, "your role does not open this page: see access in shop.yaml")


def allowed(*roles: Role) -> Dependency:
    """Opens a route or a router to these roles."""
    found: Dependency = Depends(Allowed(roles))
    return found


def may_act(here: Here) -> None:
    """403 for who may look at a run but not change it."""
    if not here.visitor.may_act:
        raise HTTPException(403, "you may look at runs, not change them")


def page(here: Visit, template: str, *, area: str, status: int = 200, **known: Any) -> Response:
    """A page of templates/ops on the shell's layout. `area`: the entry of the menu that it belongs to."""
    return HTMLResponse(render(here, template, area=area, **known), status, {"Content-Security-Policy": POLICY})


def render(here: Visit, template: str, **known: Any) -> str:
    """The same as text, for what is put into a page later. Every template knows `here`, `root`, `say` and `_`, `shop`,
    `language`, `words`, `role`, `may_act`, `stopped` (the kill switch), and the filters of all pages."""
    environment = _environment(here.shop, here.language)
    return environment.get_template(template).render(
        here=here,
        root=here.root,
        back=here.path,
        role=here.visitor.role,
        may_act=here.visitor.may_act,
        stopped=overview.stopped(here.house.engine),
        areas=[(name, here.root + path) for name, (path, roles) in AREAS.items() if here.visitor.role in roles],
        **{"area": "", **known},
    )


def as_read_in(shop: Shop, language: Language) -> Shop:
    """The shop whose pages are in that language."""
    return shop if shop.language == language else shop.model_copy(update={"language": language})


_ENVIRONMENTS: dict[tuple[str, str], Environment] = {}
"""One for each shop's settings and language: templates are compiled once."""


def _environment(shop: Shop, language: Language) -> Environment:
    known = (shop.model_dump_json(), language)
    if known not in _ENVIRONMENTS:
        if len(_ENVIRONMENTS) > 8:  # settings that were read again
            _ENVIRONMENTS.clear()
        _ENVIRONMENTS[known] = _made(as_read_in(shop, language))
    return _ENVIRONMENTS[known]


def _made(shop: Shop) -> Environment:
    pages = web_environment(shop)
    pages.loader = FileSystemLoader([TEMPLATES, INCLUDE / "templates" / "web"])
    pages.add_extension("jinja2.ext.i18n")
    pages.install_gettext_translations(words.catalogue(shop.language), newstyle=True)  # type: ignore[attr-defined]
    light = palettes(shop.letterhead.accent, shop.letterhead.ink)["colour"]
    pages.globals["colours"] = {name: light[name] for name in ("accent", "on_accent", "ink")} | {
        "link": light["accent_ink"],
        "soft": light["faint"],
    }
    pages.globals["asset"] = pass_context(_asset)
    return pages


def _asset(context: Context, name: str) -> str:
    return f"{context['root']}/static/{assets.stamped(name)}"


def _language(request: Request, shop: Shop) -> Language:
    """What was chosen on the page, else what the browser asks for, else the shop's."""
    chosen = request.query_params.get("language") or request.cookies.get(COOKIE)
    wanted = [chosen, *words.accepted(request.headers.get("accept-language", "")), shop.language]
    return next((language for name in wanted for language in words.LANGUAGES if name == language), "en")


def role_of(name: str, roles: list[str], shop: Shop) -> Role | None:
    """Which role somebody has here, by the shop's `access`: a named user comes first, then ops, manager, agent."""
    for known in ({f"user:{name}"}, set(roles)):
        for role in (Role.OPS, Role.MANAGER, Role.AGENT):
            if known & set(getattr(shop.access, role)):
                return role
    return None
