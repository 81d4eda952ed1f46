"""A writer's schema rewritten so that fastavro hands over what our structs take. Pure.

Layout and types stay the writer's. Field names become ours; logical types become those of conversion.py; a record or a
map that cannot go into a struct as it is gets a finishing touch. So a field that needs nothing costs nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from connector.errors import Undecodable
from connector.pipeline.conversion import TEXT, WHOLE, json_reader, millis_reader, offer
from connector.pipeline.shape import Items, Leaf, Match, Shape, Source, Values, Want, match

Avro = Any
"""A schema as JSON: a name, a union's list, or an object."""

_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_TOUCH = "connector_touch"
_TAG = "connector_tag"


class Unusable(Exception):
    """A schema that nothing can be read with."""


class Touch(msgspec.Struct, frozen=True):
    """What is left to do on a record once it is read.

    Shape: `present` leaves out what is null; `merges` are JSON text fields, each with the object its keys go to.
    """

    present: bool = False
    merges: tuple[tuple[str, str], ...] = ()


def _finish(data: dict[str, Any], schema: Mapping[str, Any], _: object) -> dict[str, Any]:
    touch: Touch = schema[_TOUCH]
    if touch.present:
        data = {key: value for key, value in data.items() if value is not None}
    for name, into in touch.merges:
        if name in data and (text := data.pop(name)):
            data[into] = {**(data.get(into) or {}), **parse_object(text, into)}
    return data


def parse_json(text: object, field: str) -> Any:
    """Parse JSON text; null and empty text are null. Raises: Undecodable, which names the field."""
    if text is None or text in ("", b""):
        return None
    try:
        return msgspec.json.decode(text) if isinstance(text, str | bytes) else text
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Undecodable("bad_json", field) from error
    except RecursionError as error:
        raise Undecodable("too_deep", field) from error


def parse_object(text: object, field: str) -> dict[str, Any]:
    """Parse JSON text that must be an object. Raises: Undecodable, which names the field."""
    parsed = parse_json(text, field)
    if not isinstance(parsed, dict):
        raise Undecodable("bad_json", field)
    return parsed


def _present(data: dict[str, Any], *_: object) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}


def _granted(value: bool, *_: object) -> dict[str, bool]:
    return {"granted": value}


def _tagged(data: dict[str, Any], schema: Mapping[str, Any], _: object) -> tuple[object, dict[str, Any]]:
    return schema[_TAG], _finish(data, schema, None)


_TAGGED = offer(("record",), "connector-event", _tagged)
_FINISH = offer(("record",), "connector-finish", _finish)
_PRESENT = offer(("map",), "connector-present", _present)
_GRANTED = offer(("boolean",), "connector-granted", _granted)


class Rewriter:
    """Rewrites the types of one schema; `named` are its named types by full name."""

    def __init__(self, named: Mapping[str, Avro]) -> None:
        self._named = named
        self._made: dict[tuple[str, int], str] = {}
        self._open: set[str] = set()
        self.recursive = False

    def event(self, name: str, want: Want, tag: object) -> Avro:
        """Return a record type that is read as (`tag`, its fields). Raises: Unusable, RecursionError."""
        fields, touch = self._fields(self._named[name]["fields"], want)
        named = {"type": "record", "name": f"event{len(self._made)}", "fields": fields}
        return {**named, "logicalType": _TAGGED, _TOUCH: touch, _TAG: tag}

    def rewrite(self, node: Avro, want: Want) -> Avro:
        """Return the type to read with. Raises: Unusable, RecursionError."""
        if isinstance(node, str):
            return self._primitive(node, {}, want) if node in _PRIMITIVES else self._name(node, want)
        if isinstance(node, list):
            return [self.rewrite(branch, want) for branch in node]
        kind = node["type"]
        if not isinstance(kind, str):
            return self.rewrite(kind, want)
        if kind in _PRIMITIVES:
            return self._primitive(kind, node, want)
        if kind == "array":
            return self._array(node, want)
        if kind == "map":
            return self._map(node, want)
        return self._name(node.get("name", kind), want)

    def _primitive(self, kind: str, node: Mapping[str, Any], want: Want) -> Avro:
        if want is Leaf.UNUSED or (want is Leaf.BYTES and kind == "bytes"):
            reader = None
        elif want is Leaf.MILLIS:
            reader = millis_reader(kind, node)
        elif want is Leaf.WHOLE and kind == "string":
            reader = WHOLE
        elif kind in {"int", "long"} and (want is Leaf.TEXT or isinstance(want, Shape)):
            # A shape is met where an id may stand for the record of what it names.
            reader = json_reader(kind, node) or TEXT
        elif kind == "boolean" and isinstance(want, Shape) and "granted" in want.fields:
            reader = _GRANTED
        else:
            reader = json_reader(kind, node)
        return {**_scale(node), "type": kind, "logicalType": reader} if reader else kind

    def _array(self, node: Mapping[str, Any], want: Want) -> Avro:
        if _is_empty(node["items"], self._named, frozenset()):
            # Such an array can claim any number of items in ten bytes.
            raise Unusable("an array of items without bytes")
        return {
            "type": "array",
            "items": self.rewrite(node["items"], want.of if isinstance(want, Items) else _parts(want)),
        }

    def _map(self, node: Mapping[str, Any], want: Want) -> Avro:
        made = {
            "type": "map",
            "values": self.rewrite(node["values"], want.of if isinstance(want, Values) else _parts(want)),
        }
        return {**made, "logicalType": _PRESENT} if isinstance(want, Values | Shape) else made

    def _name(self, name: str, want: Want) -> Avro:
        definition = self._named.get(name)
        if definition is None:
            raise Unusable("a type that is not defined")
        key = (name, id(want))
        if key in self._made:
            self.recursive = self.recursive or self._made[key] in self._open
            return self._made[key]
        made = self._made[key] = f"t{len(self._made)}"
        if definition["type"] == "enum":
            return {"type": "enum", "name": made, "symbols": definition["symbols"]}
        if definition["type"] == "fixed":
            reader = None if want in {Leaf.UNUSED, Leaf.BYTES} else json_reader("fixed", definition)
            return {
                **_scale(definition),
                "type": "fixed",
                "name": made,
                "size": definition["size"],
                "logicalType": reader,
            }
        self._open.add(made)
        fields, touch = self._fields(definition["fields"], want)
        self._open.remove(made)
        record = {"type": "record", "name": made, "fields": fields}
        return {**record, "logicalType": _FINISH, _TOUCH: touch} if touch != Touch() else record

    def _fields(self, fields: Sequence[Mapping[str, Any]], want: Want) -> tuple[list[Avro], Touch]:
        if isinstance(want, Shape):
            sources = [Source(field["name"], tuple(field.get("aliases", ()))) for field in fields]
            return self._placed(fields, match(want, sources))
        of = want.of if isinstance(want, Values) else _parts(want)
        read = [{"name": field["name"], "type": self.rewrite(field["type"], of)} for field in fields]
        return read, Touch(isinstance(want, Values) and _any_nullable(fields))

    def _placed(self, fields: Sequence[Mapping[str, Any]], places: Mapping[str, Match]) -> tuple[list[Avro], Touch]:
        read, merges = [], []
        for number, field in enumerate(fields):
            place = places.get(field["name"])
            if place is None:
                read.append({"name": f"unknown_{number}_", "type": self.rewrite(field["type"], Leaf.UNUSED)})
            elif place.json:
                name = f"json_{number}_"
                merges.append((name, place.field.name))
                read.append({"name": name, "type": _as_read(field["type"])})
            else:
                read.append({"name": place.field.name, "type": self.rewrite(field["type"], place.field.want)})
        # No field of ours is both required and nullable: null and absent are one.
        return read, Touch(_any_nullable(fields), tuple(merges))


def _parts(want: Want) -> Leaf:
    """Return what to read the parts of something as, where we did not ask for parts."""
    return Leaf.UNUSED if want is Leaf.UNUSED else Leaf.FREE


def _scale(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: node[key] for key in ("precision", "scale") if key in node}


def _as_read(node: Avro) -> Avro:
    """Return a field of JSON text as string, bytes or null, untouched."""
    branches = node if isinstance(node, list) else [node]
    bare = [branch["type"] if isinstance(branch, dict) else branch for branch in branches]
    if not set(map(str, bare)) <= {"null", "string", "bytes"}:
        raise Unusable("a field of JSON text that is not text")
    return bare if isinstance(node, list) else bare[0]


def _any_nullable(fields: Sequence[Mapping[str, Any]]) -> bool:
    return any(_is_nullable(field["type"]) for field in fields)


def _is_nullable(node: Avro) -> bool:
    return node == "null" or (isinstance(node, list) and any(_is_nullable(branch) for branch in node))


def _is_empty(node: Avro, named: Mapping[str, Avro], above: frozenset[str]) -> bool:
    """Tell whether a value of this type takes no bytes."""
    if isinstance(node, list):
        return False
    kind = node if isinstance(node, str) else node["type"]
    if not isinstance(kind, str):
        return _is_empty(kind, named, above)
    name = node["name"] if isinstance(node, dict) and "name" in node else kind
    if kind == "null" or name in above:
        return kind == "null"
    definition = named.get(name)
    if definition is None:
        return False
    if definition["type"] == "fixed":
        return bool(definition["size"] == 0)
    if definition["type"] == "enum":
        return False
    return all(_is_empty(field["type"], named, above | {name}) for field in definition["fields"])
