"""Events of a small shop, of several kinds and users, encoded by the schemas of avro/. One seed decides them all."""

import io
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import msgspec
from fastavro.schema import fingerprint, to_parsing_canonical_form
from msgspec import Struct

import connector
from connector.adapters.schema_files import load_schemas
from connector.sandbox.shop import CONTENTS

USERS = 120
# Of a thousand events: opted out, tombstones, without a user, no Avro at all.
OPTED_OUT, TOMBSTONES, NOBODY, GARBLED = 20, 10, 2, 2
_HAPPENINGS = list(CONTENTS.values())
_WEIGHTS = [weight for _, weight, _ in _HAPPENINGS]


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
    kind, _, content = chance.choices(_HAPPENINGS, _WEIGHTS)[0]
    event = {"message_id": ident, "user_id": user, **content(ident, user, chance)}
    key = user.encode()
    if fate < TOMBSTONES:
        return Made(key, None, "")
    if fate < TOMBSTONES + GARBLED:
        return Made(key, b"not Avro: " + ident.encode(), "")
    if fate < TOMBSTONES + GARBLED + NOBODY:
        event["user_id"] = None
    elif fate < TOMBSTONES + GARBLED + NOBODY + OPTED_OUT:
        event["sinks"] = {chance.choice(sinks): False}
    return Made(key, encoders[kind].encode(event), ident)


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


@cache
def _encoders() -> dict[str, _Encoder]:
    texts = load_schemas(schema_folder())
    return {kind: _Encoder(texts[f"connector.events.{kind}.avsc"]) for kind in {kind for kind, _, _ in _HAPPENINGS}}
