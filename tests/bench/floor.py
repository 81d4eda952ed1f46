"""The floor: a process that only consumes, decodes by the writer's schema and encodes JSON."""

import signal
from io import BytesIO
from multiprocessing.sharedctypes import Synchronized

import msgspec
from confluent_kafka import Consumer
from fastavro import parse_schema, schemaless_reader

from tests.bench.produce import HEAD_BYTES
from tests.integration.events import plain, schema_of


def consume(bootstrap: str, topic: str, group: str, kind: str, records: int, seen: "Synchronized[int]") -> None:
    """Read the topic from its beginning, count in `seen`, and wait to be ended."""
    schema, encode = parse_schema(plain(schema_of(kind))), msgspec.json.Encoder().encode
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    count = 0
    while count < records:
        messages = consumer.consume(500, 0.1)
        for message in messages:
            encode(schemaless_reader(BytesIO(message.value()[HEAD_BYTES:]), schema, None))
        count += len(messages)
        seen.value = count
    # It is still being looked at, and then killed.
    signal.pause()
