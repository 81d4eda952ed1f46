"""Events of a small shop, of several kinds and users, encoded by the schemas of avro/. One seed decides them all."""

import io
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import msgspec
from fastavro.schema import fingerprint, to_parsing_canonical_form
from msgspec import Struct

import connector
from connector.adapters.schema_files import load_schemas

USERS = 500
# Of a thousand events: opted out, tombstones, without a user, no Avro at all.
OPTED_OUT, TOMBSTONES, NOBODY, GARBLED = 20, 10, 2, 2
_KINDS = {"Track": 60, "Page": 15, "Screen": 10, "Identify": 10, "Group": 4, "Alias": 1}
_ACTIONS = ("Product Viewed", "Product Added", "Checkout Started", "Order Completed", "Search Performed")
_PAGES = ("Home", "Catalogue", "Basket", "Help")
_PLANS = ("free", "basic", "pro")


class Made(Struct, frozen=True):
    """A record to produce; `id` is its event's, "" where it has none."""

    key: bytes
    value: bytes | None
    id: str


def schema_folder() -> Path:
    """Find the published schemas: beside the package in a clone, within it where it is installed."""
    package = Path(connector.__file__).parent
    return next(folder for folder in (package / "avro", package.parent / "avro") if folder.is_dir())


def events(seed: int, sinks: Sequence[str]) -> Iterator[Made]:
    """Make records without end; some opt out of one of the sinks."""
    chance = random.Random(seed)
    encoders = _encoders()
    while True:
        yield _record(chance, encoders, sinks)


def _record(chance: random.Random, encoders: Mapping[str, "_Encoder"], sinks: Sequence[str]) -> Made:
    user = f"user-{chance.randrange(USERS)}"
    ident = str(UUID(int=chance.getrandbits(128), version=4))
    fate = chance.randrange(1000)
    kind = chance.choices(list(_KINDS), list(_KINDS.values()))[0]
    event = {"message_id": ident, "user_id": user, **_content(kind, user, chance)}
    key = user.encode()
    for share, change in (
        (TOMBSTONES, None),
        (OPTED_OUT, {"sinks": {chance.choice(sinks): False}}),
        (NOBODY, {"user_id": None}),
        (GARBLED, {"garbled": True}),
    ):
        if fate < share:
            return _other(key, ident, change, event, encoders)
        fate -= share
    return Made(key, encoders[kind].encode(event), ident)


def _other(
    key: bytes, ident: str, change: Mapping[str, Any] | None, event: dict[str, Any], encoders: Mapping[str, "_Encoder"]
) -> Made:
    """Make one of the records that do not end as an ordinary delivery."""
    if change is None:
        return Made(key, None, "")
    if "garbled" in change:
        return Made(key, b"not Avro: " + ident.encode(), "")
    ordinary = {"message_id": ident, "user_id": event["user_id"], "name": "Order Refunded"}
    return Made(key, encoders["Track"].encode({**ordinary, **change}), ident)


def _content(kind: str, user: str, chance: random.Random) -> dict[str, Any]:
    match kind:
        case "Track":
            total = round(chance.uniform(5, 500), 2)
            properties = {"sku": f"sku-{chance.randrange(1000)}", "total": total, "currency": "EUR"}
            return {"name": chance.choice(_ACTIONS), "properties": properties}
        case "Page" | "Screen":
            return {"name": chance.choice(_PAGES), "properties": {"depth": chance.randrange(9)}}
        case "Identify":
            return {"traits": {"plan": chance.choice(_PLANS), "orders": chance.randrange(50)}}
        case "Group":
            return {"group_id": f"team-{chance.randrange(20)}", "traits": {"seats": chance.randrange(1, 90)}}
        case _:
            return {"previous_id": f"visitor-of-{user}"}


class _Encoder:
    """Avro single-object encoding by one schema."""

    def __init__(self, text: str) -> None:
        schema = msgspec.json.decode(text)
        print_of = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
        self._head = b"\xc3\x01" + bytes.fromhex(print_of)
        self._schema = fastavro.parse_schema(schema)

    def encode(self, event: Mapping[str, Any]) -> bytes:
        out = io.BytesIO()
        out.write(self._head)
        fastavro.schemaless_writer(out, self._schema, event)
        return out.getvalue()


def _encoders() -> dict[str, _Encoder]:
    texts = load_schemas(schema_folder())
    return {kind: _Encoder(texts[f"connector.events.{kind}.avsc"]) for kind in _KINDS}
