"""What a customer is worth: the next year as the model has it, and a lifetime as the group's figures have it."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from habitue import figures, worths, worths_in_words
from habitue.trends import rule_of
from habitue.verdicts import result_words
from habitue.web.ops.results import sent, temporary
from habitue.web.ops.shell import Here, Role, allowed, as_read_in, page
from habitue.web.pages import Page

routes = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS, Role.MANAGER)])


@routes.get("/figures/worth")
def worth(here: Here) -> Response:
    shop = as_read_in(here.shop, here.language)
    rule, _ = rule_of(shop.segments)
    with here.house.engine.connect() as connection:
        last = figures.last_day(connection, rule)
    groups, lasting = worths.summary(here.house.engine), worths.lasting_now(here.house.engine, shop)
    return page(
        here,
        "worth.html.j2",
        area="figures",
        rows=worths_in_words.rows(lasting, groups, shop),
        headings=worths_in_words.headings(shop),
        sentences=worths_in_words.sentences(lasting, shop),
        say=result_words(here.language)["worth"],
        cooling=sum(one.cooling for one in groups),
        rule=rule,
        last=last,
        version=worths.RULES_VERSION,
    )


@routes.get("/figures/worth/csv")
def file(here: Here) -> Response:
    shop = as_read_in(here.shop, here.language)
    path = temporary()
    worths.write_csv(path, worths.lasting_now(here.house.engine, shop), worths.summary(here.house.engine), shop=shop)
    return sent(path, f"worth-{here.at:%Y-%m-%d}.csv")
