"""Kafka as two lists: a consumer that hands out given records, and a producer that keeps what it is given."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from connector.domain.record import Outgoing, Partition, Record
from connector.errors import WriteFailed
from connector.pipeline.consume import Assignment, CommitReport, Mark, Orders, Owner, Polled

POLL_S = 0.05
IDLE_S = 0.5
MOST = 500


class ListProducer:
    """Takes every record after `delay_s`, but for those of which `refuse` returns a kind of failure."""

    def __init__(self, refuse: Callable[[Outgoing], str] = lambda letter: "", delay_s: float = 0.01) -> None:
        self.refuse = refuse
        self.letters: list[Outgoing] = []
        self.tried = 0
        self._delay_s = delay_s

    def produce(self, letter: Outgoing) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self.tried += 1
        loop.call_later(self._delay_s, self._report, letter, future)
        return future

    async def close(self) -> None: ...

    def _report(self, letter: Outgoing, future: "asyncio.Future[None]") -> None:
        kind = self.refuse(letter)
        if kind:
            future.set_exception(WriteFailed(kind))
        else:
            self.letters.append(letter)
            future.set_result(None)

    def noted(self, name: str) -> list[str]:
        """Return one of our headers of every letter, the last of that name, "" where it is empty or missing."""
        found = [dict(one.headers).get(f"connector.{name}") for one in self.letters]
        return [(text or b"").decode() for text in found]


class ListConsumer:
    """A group of one member. `stored` and `ahead` hold what was ordered to be stored, `history` every order in turn.

    `unreadable` are topics to tell of at the next poll, once.
    """

    def __init__(self, owner: Owner, records: Sequence[Record], starts: Mapping[Partition, int]) -> None:
        self.stored: dict[Partition, int] = {}
        self.ahead: dict[Partition, str] = {}
        self.history: list[tuple[Partition, int]] = []
        self.paused: set[Partition] = set()
        self.unreadable: dict[str, str] = {}
        self._owner = owner
        self._records = list(records)
        self._starts: dict[Partition, int] | None = dict(starts)
        self._held = set(starts)
        self._busy = True

    def add(self, records: Sequence[Record]) -> None:
        self._records.extend(records)

    async def poll(self, orders: Orders) -> Polled:
        self._store(orders.store)
        self.paused |= set(orders.pause)
        self.paused -= set(orders.resume)
        await asyncio.sleep(POLL_S if self._busy else IDLE_S)
        if self._starts is not None:
            starts, self._starts = self._starts, None
            marks = {one: Mark(offset, self.ahead.get(one, "")) for one, offset in starts.items()}
            await self._owner.assigned(Assignment("cluster", marks))
        ready = [one for one in self._records if one.partition in self._held - self.paused][:MOST]
        self._busy = bool(ready)
        taken = set(map(id, ready))
        self._records = [one for one in self._records if id(one) not in taken]
        unreadable, self.unreadable = self.unreadable, {}
        taken = CommitReport("", {one: mark.offset for one, mark in orders.store.items()})
        return Polled(ready, commits=[taken] if orders.store else [], unreadable=unreadable)

    async def revoke(self, partition: Partition) -> float:
        """Take a partition away, as a rebalance does; return how long its owner held that up."""
        began_s = asyncio.get_running_loop().time()
        self._held.discard(partition)
        self._store(await self._owner.revoked([partition]))
        return asyncio.get_running_loop().time() - began_s

    async def lose(self, partition: Partition) -> None:
        self._held.discard(partition)
        await self._owner.lost([partition])

    async def assign(self, partition: Partition, start: int, records: Sequence[Record]) -> None:
        """Give a partition, with what its log holds from `start` on."""
        self._records = [one for one in self._records if one.partition != partition] + list(records)
        self._held.add(partition)
        self.paused.discard(partition)
        await self._owner.assigned(Assignment("cluster", {partition: Mark(start, self.ahead.get(partition, ""))}))

    async def close(self) -> None:
        self._store(await self._owner.revoked(sorted(self._held)))
        self._held.clear()

    def _store(self, marks: Mapping[Partition, Mark]) -> None:
        for partition, mark in marks.items():
            self.stored[partition], self.ahead[partition] = mark.offset, mark.ahead
            self.history.append((partition, mark.offset))
