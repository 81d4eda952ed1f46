"""Records of mixed kinds, in both framings; ids and sequences are in the events themselves."""

import io
import json
import struct
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import fastavro
from fastavro.schema import fingerprint, load_schema, to_parsing_canonical_form
from msgspec import Struct

AVRO = Path(__file__).parents[2] / "avro"
SINCE_MS = 1_790_000_000_000
KINDS = ("Track", "Page", "Screen", "Identify", "Group", "Alias")


class Made(Struct, frozen=True):
    """A record to produce. `number` grows over the topic, `sequence` over its key."""

    key: bytes | None
    value: bytes | None
    id: str
    kind: str
    number: int
    sequence: int
    headers: tuple[tuple[str, bytes | None], ...] = ()


@cache
def schema_of(kind: str) -> Any:
    return load_schema(AVRO / f"connector.events.{kind}.avsc")


@cache
def single_object_head(kind: str) -> bytes:
    text = to_parsing_canonical_form(schema_of(kind))
    return b"\xc3\x01" + bytes.fromhex(fingerprint(text, "CRC-64-AVRO"))


def confluent_heads(registry: str, topic: str) -> Mapping[str, bytes]:
    """Register every kind and return the heads that name its id."""
    return {kind: confluent_head(registry, topic, kind) for kind in KINDS}


def confluent_head(registry: str, topic: str, kind: str) -> bytes:
    """Register one kind and return the head that names its id."""
    return b"\x00" + struct.pack(">I", register(registry, f"{topic}-{kind}", schema_of(kind)))


def register(registry: str, subject: str, schema: Any) -> int:
    """Register a schema, references resolved, and return its id."""
    body = json.dumps({"schema": json.dumps(plain(schema)), "schemaType": "AVRO"}).encode()
    head = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    with urlopen(Request(f"{registry}/subjects/{subject}/versions", body, head), timeout=30) as reply:
        found: int = json.load(reply)["id"]
        return found


def event(kind: str, user: str, identifier: str, number: int, since_ms: int = SINCE_MS) -> dict[str, Any]:
    """Return an event of a kind, with its number where the vendor's message shows it."""
    common = {"message_id": identifier, "user_id": user, "timestamp": since_ms + number}
    match kind:
        case "Track":
            return common | {"name": "Button Pressed", "properties": {"number": number, "price": 19.5}}
        case "Page" | "Screen":
            return common | {"name": "Home", "properties": {"number": number}}
        case "Identify":
            return common | {"traits": {"number": number, "plan": "pro"}}
        case "Group":
            return common | {"group_id": "g1", "traits": {"number": number}}
        case _:
            return common | {"previous_id": f"old-{user}"}


def encode(kind: str, value: Mapping[str, Any], head: bytes) -> bytes:
    out = io.BytesIO()
    out.write(head)
    fastavro.schemaless_writer(out, schema_of(kind), value)
    return out.getvalue()


def mixed(
    count: int,
    *,
    keys: int,
    name: str,
    heads: Mapping[str, bytes] | None = None,
    kinds: tuple[str, ...] = KINDS,
    since_ms: int = SINCE_MS,
) -> Iterator[Made]:
    """Make records of all kinds in turn over so many keys; ids begin with `name`."""
    sequences = [0] * keys
    for number in range(count):
        kind = kinds[(number // 3) % len(kinds)]
        which = (number * 7919) % keys
        user, identifier = f"user-{which}", f"{name}-{number}"
        head = heads[kind] if heads else single_object_head(kind)
        value = encode(kind, event(kind, user, identifier, number, since_ms), head)
        yield Made(user.encode(), value, identifier, kind, number, sequences[which])
        sequences[which] += 1


def plain(schema: Any) -> Any:
    """The schema without what fastavro notes in it."""
    if isinstance(schema, dict):
        return {name: plain(part) for name, part in schema.items() if not name.startswith("__")}
    return [plain(part) for part in schema] if isinstance(schema, list) else schema
