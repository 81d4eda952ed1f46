"""Records whose schema is not known yet: their partition waits while the registry is asked."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable

import structlog

from connector.domain.record import Partition
from connector.errors import SchemaChanged, SchemaMissing, SchemaUnavailable
from connector.pipeline.acknowledge import OpenRecord
from connector.pipeline.backoff import delay_s
from connector.pipeline.clock import Clock
from connector.pipeline.decode import Decode

RETRY_FIRST_S = 0.5
RETRY_LONGEST_S = 15.0

log = structlog.get_logger(__name__)


class SchemaWait:
    """The waiting records per partition, and one task per schema that asks for it.

    `on_known` takes a partition's records up again; `on_missing` is given the first of a partition whose schema the
    registry denies, twice, beyond the grace. Units: `grace_s` counts from the record's own timestamp.
    """

    def __init__(
        self,
        decoder: Decode,
        clock: Clock,
        chance: random.Random,
        grace_s: float,
        on_known: Callable[[Iterable[OpenRecord]], None],
        on_missing: Callable[[OpenRecord], None],
    ) -> None:
        self.failing = ""
        self.changed = ""
        self.waiting: dict[Partition, deque[OpenRecord]] = {}
        self._decoder = decoder
        self._clock = clock
        self._chance = chance
        self._grace_s = grace_s
        self._on_known = on_known
        self._on_missing = on_missing
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._wants: dict[Partition, int] = {}

    def hold(self, opened: OpenRecord, schema: int) -> None:
        """Make a partition wait, with this record first."""
        partition = opened.record.partition
        self.waiting[partition] = deque([opened])
        self._wants[partition] = schema
        if schema not in self._tasks:
            self._tasks[schema] = asyncio.get_running_loop().create_task(self._learn(schema))

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop what waits of these partitions; a schema nobody wants is asked for no more."""
        for partition in partitions:
            self.waiting.pop(partition, None)
            self._wants.pop(partition, None)
        for schema in set(self._tasks) - set(self._wants.values()):
            self._tasks.pop(schema).cancel()

    def close(self) -> None:
        self.forget(list(self.waiting))

    async def _learn(self, schema: int) -> None:
        denials = failures = 0
        while True:
            try:
                await self._decoder.learn(schema)
            except SchemaUnavailable as failure:
                self.failing = str(failure)
                log.warning("schema registry cannot be asked", schema=schema, reason=str(failure))
            except SchemaMissing:
                self.failing = ""
                denials += 1
                if denials > 1:
                    self._give_up(schema)
            except SchemaChanged as failure:
                self.changed = str(failure)
                log.error("a schema id means something else than before; its partitions stand still", schema=schema)
                self._end(schema)
                return
            else:
                self.failing = ""
                self._end(schema)
                self._resume(self._of(schema))
                return
            if not self._of(schema):
                self._end(schema)
                return
            failures += 1
            await asyncio.sleep(delay_s(failures, self._chance, first_s=RETRY_FIRST_S, longest_s=RETRY_LONGEST_S))

    def _end(self, schema: int) -> None:
        """Let the next record of this schema ask anew; before any record is taken up again, which may be the next."""
        self._tasks.pop(schema, None)

    def _of(self, schema: int) -> list[Partition]:
        return [partition for partition, wanted in self._wants.items() if wanted == schema]

    def _give_up(self, schema: int) -> None:
        """Let go of the records that are older than the grace; what follows them may have another schema.

        The wall clock may have stepped back: whoever has waited for the grace is old enough as well.
        """
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        for partition in self._of(schema):
            first = self.waiting[partition][0]
            waited_s = max(now_s - first.since_s, (now_ms - first.record.timestamp_ms) / 1000)
            if waited_s >= self._grace_s:
                self.waiting[partition].popleft()
                self._on_missing(first)
                self._resume([partition])

    def _resume(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            records = self.waiting.pop(partition)
            del self._wants[partition]
            self._on_known(records)
