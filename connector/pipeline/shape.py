"""What our structs want of an Avro record: which field goes where, and as what. Pure."""

import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Any

from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from connector.domain.events import KINDS

ALIASES: Mapping[tuple[str, str], tuple[str, ...]] = {
    **{(name, "properties"): ("attributes",) for name, kind in KINDS.items() if "properties" in kind.__struct_fields__},
    ("Track", "name"): ("event", "event_name"),
    ("Page", "name"): ("page_name",),
    ("Screen", "name"): ("screen_name",),
    ("Identify", "traits"): ("attributes", "user_attributes"),
    ("Group", "traits"): ("attributes",),
}
"""Kind and field -> its other names; the published schemas carry the same."""


class Leaf(Enum):
    """A value without parts of ours: as JSON, as text, as a whole number, as milliseconds since the epoch, as bytes.

    UNUSED is one that nobody looks at.
    """

    FREE = 0
    TEXT = 1
    WHOLE = 2
    MILLIS = 3
    BYTES = 4
    UNUSED = 5


class Items(Struct, frozen=True, eq=False):
    """An array of what we want."""

    of: "Want"


class Values(Struct, frozen=True, eq=False):
    """A map, or a record, to what we want."""

    of: "Want"


class Field(Struct, frozen=True, eq=False):
    """One field of a struct. `nullable` says that it takes None; `free_map` that JSON text may add to it."""

    name: str
    want: "Want"
    nullable: bool
    required: bool
    free_map: bool
    aliases: tuple[str, ...] = ()


class Shape(Struct, frozen=True, eq=False):
    """A struct of ours."""

    struct: type[Struct]
    fields: Mapping[str, Field]


Want = Leaf | Items | Values | Shape


@cache
def shape_of(struct: type[Struct]) -> Shape:
    """Describe a struct; one and the same object on every call."""
    hints = typing.get_type_hints(struct)
    found = {
        info.name: _field(info, hints[info.name], ALIASES.get((struct.__name__, info.name), ()))
        for info in fields(struct)
    }
    return Shape(struct, found)


def _field(info: FieldInfo, hint: Any, aliases: tuple[str, ...]) -> Field:
    nullable = type(None) in _options(hint)
    required = info.default is NODEFAULT and info.default_factory is NODEFAULT
    return Field(info.name, _want(info.name, hint), nullable, required, hint == Mapping[str, Any], aliases)


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


_LEAVES: Mapping[Any, Leaf] = {str: Leaf.TEXT, int: Leaf.WHOLE, bytes: Leaf.BYTES}


def _want(name: str, hint: Any) -> Want:
    options = [option for option in _options(hint) if option is not type(None)]
    if name.endswith("_ms") and options == [int]:
        return Leaf.MILLIS
    if len(options) == 1:
        return _LEAVES.get(options[0]) or _parametrised(options[0])
    # An id or the record of what it names: the record has parts of ours, the text needs nothing.
    parts = [option for option in options if option is not str]
    return _parametrised(parts[0]) if len(parts) == 1 else Leaf.FREE


@cache
def _parametrised(hint: Any) -> Want:
    if isinstance(hint, type) and issubclass(hint, Struct):
        return shape_of(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return _want("", arguments)
    if origin is Mapping and arguments[1] is not Any:
        return Values(_want("", arguments[1]))
    if origin is tuple:
        return Items(_want("", arguments[0]))
    return Leaf.FREE


class Source(Struct, frozen=True):
    """A writer's field: its name and the names it had before."""

    name: str
    aliases: tuple[str, ...] = ()


class Match(Struct, frozen=True):
    """Where a writer's field goes; `json` says that it is text to be parsed into the field."""

    field: Field
    json: bool = False


def match(shape: Shape, sources: Sequence[Source]) -> Mapping[str, Match]:
    """Assign the writer's fields to ours, each of ours once; a writer's field that has no place is not in the answer.

    The surest comes first: the very name, then a name the writer's field had before, then one of our aliases, then
    another spelling (userId, UserID and user_id are one; so are timestamp and timestamp_ms).
    """
    taken: set[tuple[str, bool]] = set()
    found: dict[str, Match] = {}
    rounds = (_by_name(shape, sources), _by_alias(shape, sources), _by_spelling(shape, sources))
    for source, field, json in (candidate for candidates in rounds for candidate in candidates):
        if source not in found and (field.name, json) not in taken:
            taken.add((field.name, json))
            found[source] = Match(field, json)
    return found


_Candidate = tuple[str, Field, bool]


def _names(field: Field) -> Sequence[tuple[str, bool]]:
    names = [(field.name, False)]
    if isinstance(field.want, Leaf) and field.want is Leaf.MILLIS:
        names.append((field.name.removesuffix("_ms"), False))
    if field.free_map:
        names.append((f"{field.name}_json", True))
    return names


def _by_name(shape: Shape, sources: Sequence[Source]) -> Sequence[_Candidate]:
    wanted = {name: (field, json) for field in shape.fields.values() for name, json in _names(field)}
    return [(source.name, *wanted[source.name]) for source in sources if source.name in wanted]


def _by_alias(shape: Shape, sources: Sequence[Source]) -> Sequence[_Candidate]:
    wanted = {name: (field, json) for field in shape.fields.values() for name, json in _names(field)}
    renamed = [(source.name, *wanted[old]) for source in sources for old in source.aliases if old in wanted]
    ours = {other: field for field in shape.fields.values() for other in field.aliases}
    return renamed + [(source.name, ours[source.name], False) for source in sources if source.name in ours]


def _by_spelling(shape: Shape, sources: Sequence[Source]) -> Sequence[_Candidate]:
    wanted = {
        _plain(name): (field, json)
        for field in shape.fields.values()
        for known, json in _names(field)
        for name in (known, *(() if json else field.aliases))
    }
    return [(source.name, *wanted[_plain(source.name)]) for source in sources if _plain(source.name) in wanted]


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
