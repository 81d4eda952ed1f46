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
        self._fault: asyncio.Future[None] | None = None
        self._wants: dict[Partition, int] = {}
        self._denied: int | None = None

    def hold(self, opened: OpenRecord, schema: int) -> None:
        """Make a partition wait, with this record first; but for one that waited while its schema was denied."""
        if schema == self._denied and self._is_old(opened):
            self._on_missing(opened)
            return
        partition = opened.record.partition
        self.waiting[partition] = deque([opened])
        self._wants[partition] = schema
        if schema not in self._tasks:
            task = self._tasks[schema] = asyncio.get_running_loop().create_task(self._learn(schema))
            task.add_done_callback(self._ended)

    async def watch(self) -> None:
        """Raise what a task ended of, until cancelled: its partitions would stand still and nobody would know."""
        self._fault = asyncio.get_running_loop().create_future()
        await self._fault

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

    def _ended(self, task: asyncio.Task[None]) -> None:
        fault = None if task.cancelled() else task.exception()
        if fault is not None and self._fault is not None and not self._fault.done():
            self._fault.set_exception(fault)

    def _end(self, schema: int) -> None:
        """Let the next record of this schema ask anew; before any record is taken up again, which may be the next."""
        self._tasks.pop(schema, None)

    def _of(self, schema: int) -> list[Partition]:
        return [partition for partition, wanted in self._wants.items() if wanted == schema]

    def _give_up(self, schema: int) -> None:
        """Let go of what waits for it and is older than the grace; what has another schema goes on."""
        self._denied = schema
        self._resume(partition for partition in self._of(schema) if self._is_old(self.waiting[partition][0]))
        self._denied = None

    def _is_old(self, opened: OpenRecord) -> bool:
        """Whether the grace is over; the wall clock may have stepped back, but waiting counts as well."""
        age_s = (self._clock.now_ms() - opened.record.timestamp_ms) / 1000
        return max(age_s, self._clock.monotonic_s() - opened.since_s) >= self._grace_s

    def _resume(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            records = self.waiting.pop(partition)
            del self._wants[partition]
            self._on_known(records)
