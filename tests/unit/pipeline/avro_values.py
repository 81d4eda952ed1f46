"""Writing Avro values for the decoder's tests."""

import asyncio
import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import fastavro

from connector.domain.events import Event
from connector.domain.record import Partition, Record
from connector.pipeline.decode import Decoder, Ignored
from connector.pipeline.framing import confluent_head

ID = 7


class Known:
    """A registry that knows these schemas and counts how often it is asked."""

    def __init__(self, schemas: dict[int, Sequence[str]]) -> None:
        self.schemas = schemas
        self.asked: list[int] = []

    async def fetch(self, schema_id: int) -> Sequence[str]:
        self.asked.append(schema_id)
        await asyncio.sleep(0)
        return self.schemas[schema_id]


def body(schema: Any, value: Any) -> bytes:
    file = BytesIO()
    fastavro.schemaless_writer(file, schema, value)
    return file.getvalue()


def record(value: bytes | None, timestamp_ms: int = -1) -> Record:
    """Make a record; without a time of its own, so that an event's stays what its value says."""
    return Record(Partition("events", 0), 5, timestamp_ms, b"key", value)


def framed(data: bytes) -> Record:
    return record(confluent_head(ID) + data)


def decoder_of(schema: Any, **options: Any) -> Decoder:
    decoder = Decoder(Known({ID: (json.dumps(schema),)}), **options)
    asyncio.run(decoder.learn(ID))
    return decoder


def decoded(schema: Any, value: Any, **options: Any) -> Event | Ignored:
    return decoder_of(schema, **options).decode(framed(body(schema, value)))


def track(*fields: dict[str, Any]) -> dict[str, Any]:
    """A producer's Track: a name and these fields."""
    own = [{"name": "name", "type": "string"}, *fields]
    return {"type": "record", "name": "connector.events.Track", "fields": own}
