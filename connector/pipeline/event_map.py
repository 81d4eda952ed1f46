"""Other people's records as our events: record name -> kind, fields by dotted path or literal. Pure."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from connector.domain.events import KINDS
from connector.pipeline.conversion import as_millis, as_text, as_whole
from connector.pipeline.shape import Field, Leaf, Shape, Values, Want, shape_of

_REST = ("properties", "traits", "data")
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


class Place(Struct, frozen=True):
    """One field of ours, by its path, and where it comes from: a path in the record, or a literal without one."""

    target: tuple[str, ...]
    want: Leaf
    path: tuple[str, ...] = ()
    literal: Any = None
    consent: bool = False


class Rule(Struct, frozen=True):
    """How one record becomes an event of `kind`; the rest of its fields go to the object `rest`."""

    kind: str
    places: tuple[Place, ...]
    rest: str | None = None

    def apply(self, data: dict[str, Any]) -> dict[str, Any]:
        """Move the record's fields to their places. Raises: Undecodable."""
        found = [place.literal if not place.path else _look(data, place.path) for place in self.places]
        for place in self.places:
            _remove(data, place.path)
        event: dict[str, Any] = {self.rest: data} if self.rest else {}
        for place, value in zip(self.places, found, strict=True):
            if value is not None:
                _put(event, place.target, _fitted(place, value))
        return event


class EventMap(Struct, frozen=True):
    """All rules, by the record's full name."""

    rules: Mapping[str, Rule] = {}


def _look(data: object, path: Sequence[str]) -> object:
    for step in path:
        if not isinstance(data, dict):
            return None
        data = data.get(step)
    return data


def _remove(data: object, path: Sequence[str]) -> None:
    if path:
        holder = _look(data, path[:-1])
        if isinstance(holder, dict):
            holder.pop(path[-1], None)


def _put(event: dict[str, Any], target: Sequence[str], value: object) -> None:
    for step in target[:-1]:
        inner = event.get(step)
        event[step] = event = dict(inner) if isinstance(inner, dict) else {}
    event[target[-1]] = value


def _fitted(place: Place, value: object) -> object:
    if place.want is Leaf.TEXT:
        return as_text(value)
    if place.want is Leaf.MILLIS:
        return as_millis(value)
    if place.want is Leaf.WHOLE:
        return as_whole(value)
    return {"granted": value} if place.consent and isinstance(value, bool) else value


def parse_event_map(text: str) -> EventMap:
    """Read the map from JSON or TOML text.

    Shape:  {record: {"kind": "Track", field: "path.in.record" or {"literal": value}, ...}, ...}
    Raises: ValueError with a sentence that names the record and the field at fault.
    """
    try:
        content = msgspec.json.decode(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (msgspec.DecodeError, UnicodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"The event map is neither JSON nor TOML: {error}") from error
    return EventMap({name: _rule(name, entry) for name, entry in content.items()})


def _rule(record: str, entry: object) -> Rule:
    if not isinstance(entry, dict):
        raise ValueError(f"{record}: an object of fields is needed.")
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"{record}: kind must be one of {', '.join(KINDS)}.")
    shape = shape_of(KINDS[kind])
    places = tuple(_place(record, kind, name, source) for name, source in entry.items() if name != "kind")
    whole = {".".join(place.target) for place in places}
    first = {place.target[0] for place in places}
    for field in shape.fields.values():
        if field.required and field.name not in first:
            raise ValueError(f"{record}: {field.name} is missing, which every {kind} needs.")
    rest = next((name for name in _REST if name in shape.fields), None)
    return Rule(kind, places, None if rest in whole else rest)


def _place(record: str, kind: str, name: str, source: object) -> Place:
    target, want, consent = _target(record, kind, name)
    if isinstance(source, str):
        if not _PATH.fullmatch(source):
            raise ValueError(f"{record}: {name} must be a dotted path of field names, or {{literal = ...}}.")
        return Place(target, want, tuple(source.split(".")), consent=consent)
    if isinstance(source, dict) and source.keys() == {"literal"} and source["literal"] is not None:
        return Place(target, want, literal=source["literal"], consent=consent)
    raise ValueError(f"{record}: {name} must be a dotted path of field names, or {{literal = ...}}.")


def _target(record: str, kind: str, name: str) -> tuple[tuple[str, ...], Leaf, bool]:
    """Find one of our fields by its dotted name; times may go without their `_ms`."""
    want: Want = shape_of(KINDS[kind])
    target: list[str] = []
    free = False
    for step in name.split("."):
        if isinstance(want, Shape):
            field = _field(want, step)
            if field is None:
                raise ValueError(f"{record}: {name} is no field of {kind}.")
            target.append(field.name)
            free, want = field.free_map, field.want
        elif isinstance(want, Values) or free:
            target.append(step)
            want = want.of if isinstance(want, Values) else Leaf.FREE
        else:
            raise ValueError(f"{record}: {name} is no field of {kind}.")
    consent = isinstance(want, Shape) and "granted" in want.fields
    return tuple(target), want if isinstance(want, Leaf) else Leaf.FREE, consent


def _field(shape: Shape, name: str) -> Field | None:
    return shape.fields.get(name) or shape.fields.get(f"{name}_ms")
