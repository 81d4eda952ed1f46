"""Values into events, for one process, with schemas that must be learnt."""

import asyncio
import random

import msgspec

from connector.domain.record import Record
from connector.errors import SchemaMissing, SchemaUnavailable, Undecodable
from connector.pipeline.decode import Ignored, UnknownSchema
from tests.simulation.maker import KNOWN_SCHEMA, LATE_SCHEMA, MISSING_SCHEMA, NEW_SCHEMA
from tests.simulation.oracle import Oracle
from tests.simulation.sink import Happening
from tests.simulation.story import Story
from tests.simulation.weather import Weather

LEAST_BYTES = 5


class Registry:
    """One for all processes: one schema is registered late, one never."""

    def __init__(self, chance: random.Random, quiet_s: float, oracle: Oracle, story: Story, weather: Weather) -> None:
        self.chance = chance
        self.story = story
        self._late_s = chance.uniform(0, quiet_s)
        self._oracle = oracle
        self._weather = weather

    def ask(self, schema: int) -> None:
        """Answer for a schema. Raises: SchemaUnavailable, SchemaMissing."""
        if self._weather.has("registry"):
            raise SchemaUnavailable("no answer")
        late = schema == LATE_SCHEMA and asyncio.get_running_loop().time() < self._late_s
        if late or schema == MISSING_SCHEMA or schema not in (KNOWN_SCHEMA, LATE_SCHEMA, NEW_SCHEMA):
            kind = "late_schema" if late else "missing_schema"
            for fate in self._oracle.fates.values():
                fate.denied |= fate.kind == kind
            raise SchemaMissing(f"schema {schema}")


class Decoder:
    """The `Decode` of one process; it starts with nothing learnt."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known = {KNOWN_SCHEMA} if registry.chance.random() < 0.5 else set()

    def decode(self, record: Record) -> Happening | Ignored:
        value = record.value
        if value is None:
            return Ignored("tombstone")
        if len(value) < LEAST_BYTES or value[0] != 0:
            raise Undecodable("framing")
        schema = int.from_bytes(value[1:LEAST_BYTES], "big")
        if schema and schema not in self._known:
            raise UnknownSchema(schema)
        try:
            event = msgspec.json.decode(value[LEAST_BYTES:], type=Happening)
        except msgspec.DecodeError as fault:
            raise Undecodable("malformed") from fault
        return Ignored("ignored") if event.name == "ignored" else event

    async def learn(self, schema: int) -> None:
        await asyncio.sleep(self._registry.chance.uniform(0.01, 1.0))
        self._registry.ask(schema)
        self._known.add(schema)
        self._registry.story.say("schema {} is learnt", schema)
