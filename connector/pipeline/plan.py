"""How the records of one schema are read: made once per schema, used for each of its records. Pure."""

import re
import struct
from collections.abc import Collection, Sequence
from io import BytesIO
from typing import Any

import msgspec
from fastavro import parse_schema, schemaless_reader
from fastavro._read_py import schemaless_reader as careful_reader
from fastavro.schema import SchemaParseException, UnknownType
from msgspec import Struct

from connector.domain.events import KINDS, Event, TrackingLog
from connector.errors import Undecodable
from connector.pipeline.event_map import EventMap, Rule
from connector.pipeline.reading import Avro, Rewriter, Unusable
from connector.pipeline.shape import Leaf, shape_of
from connector.pipeline.tracking_log import TRACKING_LOGS, TrackingLogRule

NAMESPACE = "connector.events"

DECODE_REASONS = frozenset(
    {
        "empty",  # the value has no bytes
        "framing",  # it ends within the head
        "not_avro",  # it has no head that we know
        "fingerprint_unknown",  # no schema of this fingerprint was given
        "schema_unusable",  # the schema itself is no Avro schema we can read with
        "unknown_record",  # neither ours, nor mapped, nor to be ignored
        "truncated",  # the data ends too early
        "trailing_bytes",  # the data ends too late
        "bad_utf8",  # a string is none
        "bad_index",  # an enum symbol or a union branch the schema does not have
        "too_deep",  # nested beyond what can be read
        "overflow",  # a number or a length no value has
        "calendar_range",  # a date or time no calendar has
        "decimal_range",  # more digits than the schema allows, or larger than a double
        "malformed",  # anything else the reader refuses
        "bad_json",  # JSON text that is none, or not an object
        "bad_field",  # a field of ours with a value of another type, or missing
    }
)


class Branch(Struct, frozen=True):
    """One record type of a schema: an event of ours by `struct`, by way of `rule` where it is mapped.

    Without a struct it is either to be ignored or unknown.
    """

    struct: type[Event] | None = None
    rule: Rule | TrackingLogRule | None = None
    ignored: bool = False


class Plan(Struct, frozen=True):
    """A schema to read with. `only` is set where nothing needs to be read; `careful` where the schema is recursive."""

    schema: Avro
    careful: bool = False
    only: Branch | None = None
    fault: str = ""


def make_plan(schemas: Sequence[str], event_map: EventMap, ignore: Collection[str]) -> Plan:
    """Make the plan of the last of these schemas; the ones before it are those it refers to, in order."""
    named: dict[str, Any] = {}
    try:
        parsed = [parse_schema(msgspec.json.decode(text), named) for text in schemas][-1]
        rewriter = Rewriter(named)
        branches = parsed if isinstance(parsed, list) else [parsed]
        read = [_event(branch, named, rewriter, event_map, ignore) for branch in branches]
        schema = parse_schema(read if isinstance(parsed, list) else read[0])
    except RecursionError:
        return Plan(None, fault="nested too deep")
    except (Unusable, SchemaParseException, UnknownType, msgspec.DecodeError) as error:
        return Plan(None, fault=type(error).__name__)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        return Plan(None, fault=f"not an Avro schema ({type(error).__name__})")
    tag = schema.get("connector_tag") if isinstance(schema, dict) else None
    return Plan(schema, rewriter.recursive, tag if isinstance(tag, Branch) and tag.struct is None else None)


def _event(node: Avro, named: dict[str, Any], rewriter: Rewriter, event_map: EventMap, ignore: Collection[str]) -> Avro:
    name = node if isinstance(node, str) else node.get("name", "")
    definition = named.get(name)
    if definition is None or definition["type"] not in {"record", "error"}:
        return rewriter.rewrite(node, Leaf.UNUSED)
    branch = _branch((name, *definition.get("aliases", ())), event_map, ignore)
    want = shape_of(branch.struct) if branch.struct and not branch.rule else Leaf.FREE
    return rewriter.event(name, want if branch.struct else Leaf.UNUSED, branch)


def _branch(names: Sequence[str], event_map: EventMap, ignore: Collection[str]) -> Branch:
    """Say what a record is, by its name, else by one it had before; what is configured goes before what is ours."""
    for name in names:
        if rule := event_map.rules.get(name):
            return Branch(KINDS[rule.kind], rule)
        if name in ignore:
            return Branch(ignored=True)
        space, _, kind = name.rpartition(".")
        if space == NAMESPACE and kind in KINDS:
            return Branch(KINDS[kind])
        if name in TRACKING_LOGS:
            return Branch(TrackingLog, TrackingLogRule())
    return Branch()


def read(plan: Plan, value: bytes, start: int) -> Event | None:
    """Read one value with its plan; None for a record that is to be ignored. Raises: Undecodable."""
    if plan.fault:
        raise Undecodable("schema_unusable", plan.fault)
    if plan.only is not None:
        return _nothing(plan.only)
    source = BytesIO(value)
    source.seek(start)
    found = _read(source, plan)
    if source.tell() != len(value):
        raise Undecodable("trailing_bytes")
    if not isinstance(found, tuple):
        raise Undecodable("unknown_record")
    branch, data = found
    if branch.struct is None:
        return _nothing(branch)
    try:
        if branch.rule is not None:
            data = branch.rule.apply(data)
        event: Event = msgspec.convert(data, branch.struct)
    except msgspec.ValidationError as error:
        raise Undecodable("bad_field", _place(str(error))) from error
    except RecursionError as error:
        raise Undecodable("too_deep") from error
    return event


def _nothing(branch: Branch) -> Event | None:
    if branch.ignored:
        return None
    raise Undecodable("unknown_record")


def _read(source: BytesIO, plan: Plan) -> Any:
    """Read what the bytes hold.

    The compiled reader recurses on the machine's own stack and takes the process down on a value nested some thousand
    levels deep; only a recursive schema can have one, so those are read by the reader that Python itself guards.
    """
    try:
        return careful_reader(source, plan.schema) if plan.careful else schemaless_reader(source, plan.schema, None)
    except (EOFError, struct.error) as error:
        raise Undecodable("truncated") from error
    except UnicodeError as error:
        raise Undecodable("bad_utf8") from error
    except IndexError as error:
        # Two texts from two places: a list for a branch or symbol, a string for a number cut off.
        raise Undecodable("bad_index" if "list" in str(error) else "truncated") from error
    except RecursionError as error:
        raise Undecodable("too_deep") from error
    except OverflowError as error:
        raise Undecodable("overflow") from error
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise Undecodable("malformed") from error


_AT = re.compile(r"`\$\.?([^`]*)`$")
_MISSING = re.compile(r"missing required field `(\w+)`")


def _place(message: str) -> str:
    """Take the field's path out of a refusal, never its value."""
    at = _AT.search(message)
    missing = _MISSING.search(message)
    return ".".join(part for part in (at and at[1], missing and missing[1]) if part)
