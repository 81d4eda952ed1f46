"""Stage 1, consume: records of the assigned partitions, within a budget."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from connector.domain.record import Partition, Record


class Mark(Struct, frozen=True):
    """What is committed of a partition: the offset to go on at, and what `ahead.py` writes of those above it."""

    offset: int
    ahead: str = ""


class Orders(Struct, frozen=True):
    """What the consumer's thread does before it reads on, in this order: store, pause, resume."""

    store: Mapping[Partition, Mark] = {}
    pause: Collection[Partition] = ()
    resume: Collection[Partition] = ()


class OutOfRange(Struct, frozen=True):
    """A partition whose committed offset the broker no longer (or not yet) has; it stands still.

    Shape: `anew` where the offset is one of a topic that was deleted since, and made anew by the same name.
    """

    partition: Partition
    offset: int
    anew: bool = False

    @property
    def why(self) -> str:
        return "the topic was deleted and made anew" if self.anew else "the committed offset is not in the log"


class CommitReport(Struct, frozen=True):
    """One commit as the broker answered it; `kind` names the error, "" for none."""

    kind: str = ""
    offsets: Mapping[Partition, int] = {}


class Statistics(Struct, frozen=True):
    """The client's own figures. Units: bytes, seconds, offsets.

    Shape: `connected` to any broker at all; `spare` while in the group with no partition to read.
    """

    connected: bool = True
    spare: bool = False
    fetch_queue_bytes: int = 0
    log_ends: Mapping[Partition, int] = {}
    broker_rtt_s: Mapping[str, float] = {}


class Polled(Struct, frozen=True):
    """What one poll brought.

    Shape: `records` in offset order per partition, none from before an assignment that began during this poll; `ends`
    the position at a log's end, past trailing control records; `errors` kinds of passing client errors; `unreadable`
    topics that the client was just told it cannot read, with the kind of error; it is told once and not again.
    """

    records: Sequence[Record] = ()
    ends: Mapping[Partition, int] = {}
    out_of_range: Sequence[OutOfRange] = ()
    errors: Sequence[str] = ()
    commits: Sequence[CommitReport] = ()
    statistics: Statistics | None = None
    unreadable: Mapping[str, str] = {}


class Assignment(Struct, frozen=True):
    """Partitions that begin now, each at what is committed; `cluster_id` names the Kafka they are of."""

    cluster_id: str
    starts: Mapping[Partition, Mark]


class Owner(Protocol):
    """Who is told of rebalances. Called while a poll or the close is under way; must not await the consumer."""

    async def assigned(self, assignment: Assignment) -> None: ...

    async def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, Mark]:
        """Drain, within the drain budget, and return what to store. Never raises."""
        ...

    async def lost(self, partitions: Collection[Partition]) -> None:
        """Forget: another member has them."""
        ...


class Consumer(Protocol):
    """A member of the flow's group."""

    async def poll(self, orders: Orders) -> Polled:
        """Carry out the orders and wait shortly for records. Raises: KafkaFailed, which is final."""
        ...

    async def close(self) -> None:
        """Give up all partitions (`revoked` is called and what it returns is committed) and leave the group."""
        ...
