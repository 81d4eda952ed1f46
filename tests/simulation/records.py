"""What is produced, and what is known of each record outside of the flow."""

import random
from collections.abc import Mapping
from typing import Literal

from msgspec.json import encode

from connector.domain.record import Partition, Record
from tests.simulation.loop import Host
from tests.simulation.scenario import SKIPPED, UNSENT, Scenario
from tests.simulation.sink import ITEM_BYTES

KNOWN_SCHEMA = 1
LATE_SCHEMA = 2
NEW_SCHEMA = 3
MISSING_SCHEMA = 4

Key = tuple[Partition, str, bytes]


class Tenure:
    """A partition in the hands of one process, from its assignment until it is given up, by whatever way.

    `checked` counts the records of the log below the last commit; `open_at` is the first offset that the process had
    not seen resolved when it gave the partition up, None for none. `number` counts the tenures of all.
    """

    def __init__(self, number: int, host: Host, partition: Partition, start: int, checked: int) -> None:
        self.number = number
        self.host = host
        self.partition = partition
        self.start = start
        self.checked = checked
        self.highest = start - 1
        self.ended: Literal["", "revoked", "lost", "killed", "uncommitted"] = ""
        self.open_at: int | None = None


class Fate:
    """One record: what it is, and what became of it so far.

    By role: `bodies` what was first sent, `taken` the tenures under which the vendor took it, in order, `told` the
    last tenure that was told so, None where that was over when the reply came. By tenure: `heard` the roles seen
    delivered under it, `written` those under which its letter was seen acknowledged. `denied`: the registry said it
    does not know its schema.
    """

    def __init__(self, number: int, kind: str, record: Record, roles: tuple[str, ...], key: Key | None) -> None:
        self.number = number
        self.kind = kind
        self.record = record
        self.roles = roles
        self.key = key
        self.skipped = kind in SKIPPED
        self.bodies: dict[str, tuple[str, bytes]] = {}
        self.taken: dict[str, list[Tenure | None]] = {}
        self.told: dict[str, Tenure | None] = {}
        self.heard: dict[Tenure, set[str]] = {}
        self.written: set[Tenure] = set()
        self.refused: set[str] = set()
        self.failures = 0
        self.ambiguous = False
        self.denied = False
        self.letter_tried = False
        self.letters: list[Tenure | None] = []

    @property
    def place(self) -> str:
        return f"{self.record.partition}@{self.record.offset}#{self.number}({self.kind})"

    def resolved_for(self, tenure: Tenure) -> bool:
        """Whether its holder has seen it delivered, lettered, or may know by itself that it is skipped."""
        if self.skipped or tenure in self.written:
            return True
        return bool(self.roles) and len(self.heard.get(tenure, ())) == len(self.roles)

    @property
    def settled(self) -> bool:
        """Whether later records of its key may be sent."""
        if not self.roles or self.letter_tried:
            return True
        return all(role in self.told or role in self.refused for role in self.roles)

    @property
    def resolved(self) -> bool:
        """Whether it has its end, in the oracle's eyes."""
        return (
            self.skipped or bool(self.letters) or (bool(self.roles) and all(role in self.taken for role in self.roles))
        )


class Maker:
    """Draws records one after another."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._chance = random.Random(f"{scenario.seed}/records")
        self._ends: dict[Partition, int] = dict.fromkeys(scenario.partitions, 0)
        self._numbers = 0

    def make(self, now_ms: int) -> Fate:
        """Draw one record; keys stay on their partition."""
        scenario, chance = self._scenario, self._chance
        kind = chance.choices(list(scenario.kinds), list(scenario.kinds.values()))[0]
        if kind == "big" and scenario.vendor.most_bytes >= ITEM_BYTES:
            kind = "good"
        user = chance.randrange(scenario.keys)
        partition = scenario.partitions[user * 7 % len(scenario.partitions)]
        key = None if user % 11 == 10 else f"k{user}".encode()
        if key is None:
            partition = chance.choice(scenario.partitions)
        stamp_ms = -1 if chance.random() < 0.02 and kind == "good" else now_ms
        return self._place(kind, partition, key, f"u{user}", stamp_ms)

    def make_fresh(self, now_ms: int, partition: Partition) -> Fate:
        """Make a good record of a key that was never seen."""
        name = f"fresh{self._numbers}"
        return self._place("good", partition, name.encode(), name, now_ms)

    def _place(self, kind: str, partition: Partition, key: bytes | None, user: str, stamp_ms: int) -> Fate:
        chance = self._chance
        self._numbers += 1
        offset = self._ends[partition] + chance.randrange(self._scenario.largest_gap)
        self._ends[partition] = offset + 1
        roles = self._roles()
        value = self._value(kind, user, roles)
        headers = (("trace", b"x" * chance.randrange(30)),) if chance.random() < 0.2 else ()
        record = Record(partition, offset, stamp_ms, key, value, headers)
        sent = () if kind in UNSENT or kind in SKIPPED else roles
        return Fate(self._numbers, kind, record, sent, self._order(partition, key, user))

    @property
    def ends(self) -> Mapping[Partition, int]:
        return self._ends

    def trail(self, partition: Partition, count: int) -> None:
        """Let the log end in records that no consumer sees."""
        self._ends[partition] += count

    def _roles(self) -> tuple[str, ...]:
        shape = self._scenario.shape
        if shape == "two":
            return self._chance.choice((("event",), ("user",), ("event", "user"), ("user", "event")))
        return ("user",) if shape == "items" else ("event",)

    def _order(self, partition: Partition, key: bytes | None, user: str) -> Key | None:
        by = self._scenario.options.order_by
        if by == "none":
            return None
        if by == "partition":
            return partition, "partition", b""
        if by == "key" and key is not None:
            return partition, "key", key
        return partition, "user", user.encode()

    def _value(self, kind: str, user: str, roles: tuple[str, ...]) -> bytes | None:
        chance = self._chance
        if kind == "tombstone":
            return None
        if kind == "undecodable":
            return chance.choice((b"", b"\x00", b"{}", b"\x00\x00\x00\x00\x01{"))
        schemas = {"late_schema": LATE_SCHEMA, "known_late": NEW_SCHEMA, "missing_schema": MISSING_SCHEMA}
        schema = schemas.get(kind, KNOWN_SCHEMA)
        name = kind if kind in ("denied", "unwanted", "untranslatable", "ignored") else "happened"
        pad = "x" * chance.choice((0, 10, 100, 400))
        if kind == "big":
            pad = "x" * self._scenario.vendor.most_bytes
        if kind == "oversize":
            pad = "x" * ITEM_BYTES
        fields = {"name": name, "number": self._numbers, "to": roles, "user_id": user, "pad": pad, "timestamp_ms": 0}
        if kind == "elsewhere":
            fields["sinks"] = {"simulated": False}
        return b"\x00" + schema.to_bytes(4, "big") + encode(fields)
