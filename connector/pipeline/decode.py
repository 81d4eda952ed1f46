"""Stage 2, decode: Avro bytes into one of our events."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

import msgspec
from fastavro.schema import fingerprint, to_parsing_canonical_form
from msgspec import Struct

from connector.domain.events import Event
from connector.domain.record import Record
from connector.errors import ConnectorError, Undecodable
from connector.pipeline.conversion import LAST_MS, as_millis
from connector.pipeline.event_map import EventMap
from connector.pipeline.framing import CONFLUENT_BYTES, confluent_head, frame
from connector.pipeline.plan import DECODE_REASONS, Plan, make_plan, read

__all__ = ["DECODE_REASONS", "Decode", "Decoder", "Ignored", "Schemas", "UnknownSchema"]


class Ignored(Struct, frozen=True):
    """Nothing to deliver, for any sink: `tombstone` or `ignored`."""

    reason: str


class UnknownSchema(ConnectorError):
    """The record's schema must be learnt first: `await decoder.learn(error.schema)`."""

    def __init__(self, schema: int) -> None:
        self.schema = schema
        super().__init__(f"schema {schema} is not known yet")


class Decode(Protocol):
    def decode(self, record: Record) -> Event | Ignored:
        """Raises: Undecodable, UnknownSchema."""
        ...

    async def learn(self, schema: int) -> None:
        """Fetch a schema and make its plan. Raises: SchemaUnavailable, SchemaMissing, SchemaChanged."""
        ...


class Schemas(Protocol):
    async def fetch(self, schema_id: int) -> Sequence[str]:
        """Return the schema as JSON text, after those it refers to. Raises: as `Decode.learn`."""
        ...


_TOMBSTONE = Ignored("tombstone")
_IGNORED = Ignored("ignored")


class Decoder:
    """Decodes the records of all flows; keeps one plan per schema, for good.

    `fingerprints` are the schemas, as JSON text, that single-object values name by fingerprint.
    """

    def __init__(
        self,
        schemas: Schemas,
        *,
        event_map: EventMap | None = None,
        ignore: Collection[str] = (),
        fingerprints: Iterable[str] = (),
    ) -> None:
        self._schemas = schemas
        self._event_map = event_map or EventMap()
        self._ignore = frozenset(ignore)
        self._plans: dict[bytes, Plan] = {}
        self._singles = {_fingerprint(text): self._plan((text,)) for text in fingerprints}
        self._learning: dict[int, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        """Count the schemas learnt from the registry."""
        return len(self._plans)

    def decode(self, record: Record) -> Event | Ignored:
        """Turn a record into an event. Raises: Undecodable by DECODE_REASONS, UnknownSchema."""
        value = record.value
        if value is None:
            return _TOMBSTONE
        # The head is the key, so that a known schema costs one look-up and no parsing.
        plan = self._plans.get(value[:CONFLUENT_BYTES])
        if plan is not None:
            event = read(plan, value, CONFLUENT_BYTES)
        else:
            plan, start = self._find(value)
            event = read(plan, value, start)
        if event is None:
            return _IGNORED
        return event if event.timestamp_ms is not None else _dated(event, record)

    def _find(self, value: bytes) -> tuple[Plan, int]:
        framed = frame(value)
        if isinstance(framed.schema, int):
            raise UnknownSchema(framed.schema)
        plan = self._singles.get(framed.schema)
        if plan is None:
            raise Undecodable("fingerprint_unknown")
        return plan, framed.start

    def _plan(self, schemas: Sequence[str]) -> Plan:
        return make_plan(schemas, self._event_map, self._ignore)

    async def learn(self, schema: int) -> None:
        """Fetch a schema and make its plan; callers that ask for the same one at the same time share one fetch."""
        if confluent_head(schema) in self._plans:
            return
        task = self._learning.get(schema)
        if task is None:
            task = self._learning[schema] = asyncio.get_running_loop().create_task(self._fetch(schema))
            task.add_done_callback(lambda done: self._learned(schema, done))
        await asyncio.shield(task)

    async def _fetch(self, schema: int) -> None:
        self._plans[confluent_head(schema)] = self._plan(await self._schemas.fetch(schema))

    def _learned(self, schema: int, done: "asyncio.Task[None]") -> None:
        self._learning.pop(schema, None)
        if not done.cancelled():
            # Read even when every caller has gone, or the loop reports it as forgotten.
            done.exception()


def _dated(event: Event, record: Record) -> Event:
    """Give an event without a time that of its record: the same after every restart, as the clock's is not."""
    if event.timestamp_ms is not None:
        return event
    at_ms = _ce_time_ms(record)
    if at_ms is None and 0 <= record.timestamp_ms <= LAST_MS:
        at_ms = record.timestamp_ms
    return event if at_ms is None else msgspec.structs.replace(event, timestamp_ms=at_ms)


def _ce_time_ms(record: Record) -> int | None:
    """Read the CloudEvents header `ce_time`; one that is no time says nothing."""
    header = record.header("ce_time")
    try:
        at_ms = as_millis(header.decode()) if header else None
    except (UnicodeDecodeError, Undecodable):
        return None
    return at_ms if isinstance(at_ms, int) else None


def _fingerprint(text: str) -> bytes:
    """Return the CRC-64-AVRO fingerprint as it stands in a value: little-endian. Raises: ValueError."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(msgspec.json.decode(text)), "CRC-64-AVRO"))
