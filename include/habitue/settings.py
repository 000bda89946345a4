"""Settings files: YAML read strictly. What is wrong in one is said with file, line, key and what is allowed.

Money stands in a file as a decimal in the shop's currency and is kept in whole cents (`Cents`), or, for costs of a
fraction of a cent, in millionths of the currency's unit (`Micros`); written down again it is the decimal.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic import ValidationError as PydanticError

from habitue.errors import SettingError

INCLUDE = Path(__file__).resolve().parents[1]
"""The folder with campaigns, sources, SQL and templates."""

Language = Literal["fr", "en"]

Loc = tuple[str | int, ...]
"""Where a value stands in a file: keys and places in lists, from the outside in."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=Strict)

Whole = Annotated[int, Field(strict=True, ge=0)]
Count = Annotated[int, Field(strict=True, ge=1)]
Share = Annotated[float, Field(strict=True, ge=0, lt=1)]
Words = Annotated[str, Field(min_length=1)]

_MOST_MONEY = Decimal(10) ** 12


def _money(places: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        """An amount as it stands in the file, as a whole number of its smallest parts."""
        try:
            if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
                raise InvalidOperation
            parts = Decimal(str(value)).scaleb(places)
            if not 0 <= parts < _MOST_MONEY:
                raise InvalidOperation
        except InvalidOperation:
            raise ValueError("an amount in the shop's currency, such as 12.50, not below 0") from None
        if parts != parts.to_integral_value():
            raise ValueError(f"at most {places} decimals")
        return int(parts)

    return read


def _amount(places: int) -> Callable[[int], str]:
    return lambda parts: f"{Decimal(parts).scaleb(-places):.{places}f}"


_MONEY_SCHEMA = WithJsonSchema({"type": "number", "minimum": 0})
Cents = Annotated[int, BeforeValidator(_money(2)), PlainSerializer(_amount(2), return_type=str), _MONEY_SCHEMA]
Micros = Annotated[int, BeforeValidator(_money(6)), PlainSerializer(_amount(6), return_type=str), _MONEY_SCHEMA]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no name at all, a folder of names
        raise ValueError("a time zone by its IANA name, such as Europe/Paris") from None
    return name


Timezone = Annotated[str, AfterValidator(_known_zone)]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `place` (`file, line 3`) where it is wrong in another file than the one that is read."""

    loc: Loc
    message: str
    place: str | None = None


class Findings(ValueError):
    """What a validator of a whole model found; each `loc` counts from that model."""

    def __init__(self, found: Iterable[Finding]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(f"{_key(one.loc)}: {one.message}" for one in self.found))


class _Loader(yaml.SafeLoader):
    """As `yaml.safe_load`, which of a key that stands twice takes the last in silence."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value} stands twice", problem_mark=key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
        return node


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file as a dict; SettingError names the file and the line where it is broken."""
    try:
        content = yaml.load(path.read_text("utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        raise SettingError(f"{shown(path)}: no such file") from None
    except UnicodeDecodeError:
        raise SettingError(f"{shown(path)}: not UTF-8; save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise SettingError(f"{shown(path)}{where}: not valid YAML ({getattr(error, 'problem', error)})") from None
    if not isinstance(content, dict):
        raise SettingError(f"{shown(path)}: expected keys and values, found {type(content).__name__}")
    return content


def shown(path: Path) -> str:
    """A file as people name it: from the project's folder where it is inside."""
    return path.relative_to(INCLUDE.parent).as_posix() if path.is_relative_to(INCLUDE) else str(path)


def validate(
    path: Path,
    model: type[Model],
    content: Mapping[str, Any],
    *,
    ours: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    overridden_in: Path | None = None,
) -> Model:
    """The file's content as a model; SettingError has a line for each thing that is wrong.

    `ours`: fields that the file itself can't set. `overrides`: what of the content comes from below `shop:` in another
    file, `overridden_in`.
    """
    ours = ours or {}
    if taken := [Finding((name,), "can't be set in the file") for name in content if name in ours]:
        raise complaint(path, taken)
    try:
        return model.model_validate({**content, **ours})
    except PydanticError as error:
        found = list(_findings(error, model, hidden=ours.keys()))
    if overridden_in is None or not overrides:
        raise complaint(path, found) from None
    theirs = [Finding(("shop", *one.loc), one.message) for one in found if _reaches(overrides, one.loc)]
    mine = [one for one in found if not _reaches(overrides, one.loc)]
    said = [str(complaint(file, some)) for file, some in ((path, mine), (overridden_in, theirs)) if some]
    raise SettingError("\n".join(said)) from None


def complaint(path: Path, found: Sequence[Finding]) -> SettingError:
    """The findings as sentences, in the order of the file's lines: `spring.yaml, line 12: treatments.lapsed: …`."""
    tree = _composed(path)
    placed = [(_line(tree, one.loc), one) for one in found]
    lines = []
    for line, one in sorted(placed, key=lambda pair: pair[0] or 0):
        where = one.place or (f"{shown(path)}, line {line}" if line else shown(path))
        lines.append(": ".join(filter(None, (where, _key(one.loc), one.message))))
    return SettingError("\n".join(lines))


def _composed(path: Path) -> yaml.Node | None:
    try:
        return yaml.compose(path.read_text("utf-8"), yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return None


def _line(node: yaml.Node | None, loc: Loc) -> int | None:
    """The line of the key, or of the nearest one above it that is there; None without a file."""
    if node is None:
        return None
    line = node.start_mark.line
    for key in loc:
        below: tuple[yaml.Node, yaml.Node] | None = None
        if isinstance(node, yaml.MappingNode):
            below = next((pair for pair in node.value if pair[0].value == str(key)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            below = (node.value[key], node.value[key])
        if below is not None:
            line, node = below[0].start_mark.line, below[1]
    return int(line) + 1


def _key(loc: Loc) -> str:
    return ".".join(str(part) for part in loc if part != "[key]")


def _reaches(overrides: Any, loc: Loc) -> bool:
    """Whether the value at `loc` comes from the overrides."""
    for key in loc:
        if not isinstance(overrides, Mapping):
            return True
        if key not in overrides:
            return False
        overrides = overrides[key]
    return True


def _findings(error: PydanticError, model: type[BaseModel], hidden: Iterable[str]) -> Iterable[Finding]:
    for found in error.errors():
        loc: Loc = found["loc"]
        cause = found.get("ctx", {}).get("error")
        if isinstance(cause, Findings):
            yield from (Finding((*loc, *one.loc), one.message, one.place) for one in cause.found)
        elif found["type"] == "extra_forbidden":
            yield Finding(loc, _unknown_key(model, loc, hidden))
        elif found["type"] == "missing":
            yield Finding(loc, "is missing")
        else:
            yield Finding(loc, found["msg"].removeprefix("Value error, "))


def _unknown_key(model: type[BaseModel], loc: Loc, hidden: Iterable[str]) -> str:
    owner = _model_at(model, loc[:-1])
    if owner is None:
        return "unknown key"
    allowed = [name for name in owner.model_fields if owner is not model or name not in set(hidden)]
    near = difflib.get_close_matches(str(loc[-1]), allowed, n=1)
    hint = f"; did you mean {near[0]}?" if near else ";"
    return f"unknown key{hint} allowed are {', '.join(allowed)}"


def _model_at(model: type[BaseModel], loc: Loc) -> type[BaseModel] | None:
    """The model whose keys stand at `loc`."""
    kind: Any = model
    for key in loc:
        kind = _plain(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(str(key))
            kind = field.annotation if field else None
        else:
            kind = next(reversed(get_args(kind)), None)  # the value of a dict, the item of a list
    kind = _plain(kind)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _plain(kind: Any) -> Any:
    """A type without what stands around it: `Annotated[…]`, `… | None`."""
    while get_origin(kind) in (Annotated, Union, types.UnionType):
        kind = next(one for one in get_args(kind) if one is not type(None))
    return kind


def merge(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with overrides laid over them, key by key, at every depth."""
    merged = dict(settings)
    for key, value in overrides.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
