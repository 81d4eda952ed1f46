"""Stage 2, decode: Avro bytes into one of our events."""

from typing import Protocol

from msgspec import Struct

from connector.domain.events import Event
from connector.domain.record import Record
from connector.errors import ConnectorError


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
