"""What Kafka gave us, and where it sat; and what we give it. Pure."""

from msgspec import Struct

Headers = tuple[tuple[str, bytes | None], ...]


class Partition(Struct, frozen=True, order=True):
    """One partition of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.number}]"


class Origin(Struct, frozen=True):
    """Where a replayed record first sat, and which of its deliveries are still owed.

    Shape: `roles` empty means all of them. `replays` counts how often it was replayed before.
    """

    partition: Partition
    offset: int
    timestamp_ms: int
    roles: frozenset[str] = frozenset()
    replays: int = 0


class Record(Struct, frozen=True, gc=False):
    """One Kafka record, byte for byte as it was read.

    Units: `timestamp_ms` since the epoch, -1 where the record carries none.
    Shape: `leader_epoch` counts the leaders of its partition up to the one that took it, -1 where that is not known.
    """

    partition: Partition
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    origin: Origin | None = None
    leader_epoch: int = -1

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        key, value = self.key, self.value
        size = (len(key) if key else 0) + (len(value) if value else 0)
        for name, held in self.headers:
            size += len(name) + (len(held) if held else 0)
        return size

    def header(self, name: str) -> bytes | None:
        """Return the last header of that name, as Kafka clients do; None without one."""
        for key, value in reversed(self.headers):
            if key == name:
                return value
        return None


class Outgoing(Struct, frozen=True):
    """A record to be written to a topic of ours."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
