"""The sandbox of copy: what a text may be made of, how much it may say and how long it may go on.

Jinja's own sandbox keeps a template away from Python's insides. It stops neither `'x' * 300000000` nor doubling a word
forty times nor loops in loops. Three things do:

1. Copy is made of words, conditions, loops, sums and a few filters, none of which makes a value larger than what it
   was given. Whatever else stands in a file (calls, macros, blocks of `set`, other filters) is refused when it is read,
   with its line.
2. Every round of every loop of a rendering is counted, nested or not, whether it writes anything or not: after ROUNDS
   of them, or SECONDS after the first, the rendering stops.
3. What a block writes is counted while it is written: beyond CHARACTERS it stops.

All of it is counted within the rendering, where a round or a piece begins. A thread can't be stopped from outside, a
signal reaches the main thread alone, and a process a rendering would cost a hundred times what it guards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from time import monotonic
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes, pass_context
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

ROUNDS = 10_000
"""Rounds of all loops of a rendering together."""
SECONDS = 1.0
"""From a rendering's first round of a loop to its last."""
CHARACTERS = 100_000
"""Of one block as it was written: more than any mail, letter or call script is."""
SOURCE = 65_536
"""Characters of a copy file."""
LARGEST = 10**15
"""No sum goes beyond: a number squared forty times has as many digits as a disk has bytes."""

FILTERS = frozenset(
    [
        *("money", "date", "plural"),
        *("upper", "lower", "capitalize", "title", "trim", "truncate", "escape", "e"),
        *("length", "count", "first", "last", "abs", "int", "float"),
    ]
)
NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Block, nodes.If, nodes.For, nodes.Assign, nodes.With),
    *(nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Test, nodes.Keyword),
    *(nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Tuple, nodes.List),
)
_COUNTED = "a round of a loop"
"""The name, which no template can write, of the filter through which every loop goes."""
_NOT_COPY = {
    nodes.Call: "nothing can be called in copy: name a value or a filter",
    nodes.Concat: "~ is not known in copy: write the two beside each other",
    nodes.Pow: "** is not known in copy",
    nodes.AssignBlock: "{% set %} takes a value in copy, not a block of text: write it where it is used",
    nodes.Include: "copy includes nothing: write the words out",
    nodes.Import: "copy imports nothing: write the words out",
    nodes.FromImport: "copy imports nothing: write the words out",
    nodes.FilterBlock: "a filter stands behind a value in copy, not around a block of text",
    nodes.Extends: "copy extends nothing: write its blocks",
}


class Forbidden(SecurityError):
    """What copy may not do, in words that may be shown."""


class CopyContext(Context):
    """The words that a rendering knows, and the rounds that its loops have gone."""

    rounds = 0
    stop_at = 0.0


class CopyEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, narrowed to what copy is made of."""

    context_class = CopyContext
    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])

    def __init__(self, **options: Any) -> None:
        super().__init__(undefined=StrictUndefined, finalize=_printable, **options)
        self.globals.clear()
        self.filters = {name: value for name, value in self.filters.items() if name in FILTERS}
        self.filters[_COUNTED] = _counted

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        if len(source) > SOURCE:
            raise TemplateSyntaxError(f"over {SOURCE} characters: shorten it", 1, name, filename)
        for line, reason in _unwanted(tree):
            raise TemplateSyntaxError(reason, line, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.lineno)
        return tree

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A value of plain data. What has methods is no plain data, and a property is code that would run."""
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if obj is None or isinstance(obj, Undefined | LoopContext):
            return super().getattr(obj, attribute)
        if isinstance(obj, date) and attribute in ("year", "month", "day"):
            return getattr(obj, attribute)
        raise Forbidden(f".{attribute} of what is no plain data")

    def getitem(self, obj: Any, argument: Any) -> Any:
        if obj is None or isinstance(obj, Undefined):
            return super().getitem(obj, argument)
        if not isinstance(obj, Mapping | str | list | tuple):
            raise Forbidden("[…] of what is no plain data")
        try:
            return obj[argument]
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if not all(isinstance(side, int | float | Decimal | Undefined) for side in (left, right)):
            raise Forbidden(f"{operator} is for plain numbers")
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, int) and abs(result) > LARGEST:
            raise Forbidden("a sum came out too large")
        return result


def limited(pieces: Iterable[str]) -> str:
    """What a block writes, joined; Forbidden as soon as it is too much."""
    written: list[str] = []
    room = CHARACTERS
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            raise Forbidden(f"it says more than {CHARACTERS} characters")
        written.append(piece)
    return "".join(written)


def _unwanted(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """What copy may not be made of: on which line, and why not."""
    for node, line in _below(tree):
        if reason := _reason(node):
            yield line, reason


def _reason(node: nodes.Node) -> str | None:
    if not isinstance(node, NODES):
        return _NOT_COPY.get(type(node), f"{type(node).__name__.lower()} is not known in copy")
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        return f"the filter {node.name!r} is not known in copy; there are {', '.join(sorted(FILTERS))}"
    if isinstance(node, nodes.For) and node.recursive:
        return "a loop is not recursive in copy"
    if isinstance(node, nodes.For | nodes.Block) and next(node.find_all(nodes.Block), None):
        return "a block stands in no other and in no loop"
    if isinstance(node, nodes.Tuple) and node.ctx != "load":  # `for a, b in`
        return None
    if isinstance(node, nodes.List | nodes.Tuple) and not all(isinstance(item, nodes.Const) for item in node.items):
        return "a list holds plain words and numbers"
    return None


def _below(tree: nodes.Node) -> Iterator[tuple[nodes.Node, int]]:
    """The node and all below it, each with its line: without recursion, however deep."""
    waiting = [(tree, 1)]
    while waiting:
        node, line = waiting.pop()
        line = node.lineno or line
        yield node, line
        waiting += [(below, line) for below in node.iter_child_nodes()]


@pass_context
def _counted(context: CopyContext, values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        now = monotonic()
        context.rounds += 1
        context.stop_at = context.stop_at or now + SECONDS
        if context.rounds > ROUNDS or now > context.stop_at:
            raise Forbidden(f"its loops go over {ROUNDS} rounds or {SECONDS:g} s")
        yield value


def _printable(value: object) -> object:
    """What may be printed: words and numbers. A list would be printed as Python writes it, and None as None."""
    if isinstance(value, str | Undefined):
        return value
    if value is None:
        raise UndefinedError("a value is None")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        kind = "a date is printed by | date" if isinstance(value, date) else f"a {type(value).__name__} is no text"
        raise Forbidden(kind)
    return value
