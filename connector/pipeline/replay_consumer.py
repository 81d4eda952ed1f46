"""Stage 1 of a replay: the letters that lay in the topic at the start, as the records they were made of.

The flow behind it is the ordinary one. Letters that are left out are gaps, which the watermark crosses; what this very
run writes lies beyond the ends seen at the start, and is neither passed on nor committed over.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from msgspec.structs import replace

from connector.domain.record import Partition, Record
from connector.pipeline.clock import Clock
from connector.pipeline.consume import Assignment, Consumer, Mark, Orders, Owner, Polled
from connector.pipeline.replay import Selection


class Pace:
    """A cap on records a second; None for none. Time is given by the caller."""

    def __init__(self, rate_per_s: float | None) -> None:
        self._rate_per_s = rate_per_s
        self._due_s = 0.0

    def spent(self, records: int, now_s: float) -> None:
        """Note records that were let through."""
        if self._rate_per_s is not None:
            self._due_s = max(self._due_s, now_s) + records / self._rate_per_s

    def wait_s(self, now_s: float) -> float:
        """Return how long nothing more may pass."""
        return max(0.0, self._due_s - now_s)

    def most(self, bound: int) -> int:
        """Return how many may pass at once: a fifth of a second's worth."""
        return bound if self._rate_per_s is None else max(1, min(bound, int(self._rate_per_s / 5)))


class ReplayConsumer:
    """A `Consumer` of originals over one of letters, and the `Owner` that stands between that and the flow.

    Shape: `ends` the offset after the last letter, of every partition; `finished` once all of them were reached.
    """

    def __init__(
        self,
        join: Callable[[Owner], Consumer],
        owner: Owner,
        selection: Selection,
        ends: Mapping[Partition, int],
        pace: Pace,
        clock: Clock,
    ) -> None:
        self.ends = ends
        self._letters = join(self)
        self._owner = owner
        self._selection = selection
        self._pace = pace
        self._clock = clock
        self._left = {partition for partition, end in ends.items() if end > 0}
        self._stopped = asyncio.Event()
        self._closing = False

    @property
    def finished(self) -> bool:
        """Whether every letter was passed on or left out, here or by another run that shares the group."""
        return not self._left

    def stop(self) -> None:
        """Wait for the pace no longer."""
        self._stopped.set()

    async def poll(self, orders: Orders) -> Polled:
        wait_s = self._pace.wait_s(self._clock.monotonic_s())
        if wait_s and not self._stopped.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), wait_s)
        polled = await self._letters.poll(orders)
        records = [record for letter in polled.records if (record := self._original(letter)) is not None]
        self._pace.spent(len(records), self._clock.monotonic_s())
        positions = {letter.partition: letter.offset + 1 for letter in polled.records}
        for partition, position in polled.ends.items():
            positions[partition] = max(position, positions.get(partition, 0))
        reached = {partition: min(position, self._end(partition)) for partition, position in positions.items()}
        self._left -= {partition for partition, position in reached.items() if position == self._end(partition)}
        return replace(polled, records=records, ends=reached)

    async def close(self) -> None:
        # What is given up from here on has not been taken over by anyone.
        self._closing = True
        await self._letters.close()

    async def assigned(self, assignment: Assignment) -> None:
        starts = {partition: mark.offset for partition, mark in assignment.starts.items()}
        # One that was given away half-way comes back with more to do.
        self._left |= {partition for partition, start in starts.items() if start < self._end(partition)}
        self._left -= {partition for partition, start in starts.items() if start >= self._end(partition)}
        await self._owner.assigned(assignment)

    async def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Mark]:
        stored = await self._owner.revoked(partitions)
        if not self._closing:
            self._left -= set(partitions)
        return stored

    async def lost(self, partitions: Collection[Partition]) -> None:
        self._left -= set(partitions)
        await self._owner.lost(partitions)

    def _end(self, partition: Partition) -> int:
        # A partition that the topic did not have at the start holds nothing of before.
        return self.ends.get(partition, 0)

    def _original(self, letter: Record) -> Record | None:
        if letter.offset >= self._end(letter.partition):
            return None
        return self._selection.original(letter)
