"""Draws what is produced: good records, and each way to be bad."""

import random
from collections.abc import Callable, Sequence

from msgspec.json import encode

from connector.domain.record import Partition, Record
from tests.simulation.records import Fate, Key
from tests.simulation.scenario import SKIPPED, UNSENT, Scenario
from tests.simulation.sink import ITEM_BYTES

KNOWN_SCHEMA = 1
LATE_SCHEMA = 2
NEW_SCHEMA = 3
MISSING_SCHEMA = 4


class Maker:
    """Draws records one after another; `place` says where in a log the next one goes."""

    def __init__(self, scenario: Scenario, place: Callable[[Partition], int]) -> None:
        self._scenario = scenario
        self._place = place
        self._chance = random.Random(f"{scenario.seed}/records")
        self._groups = random.Random(f"{scenario.seed}/groups of records")
        self._numbers = 0

    def make(self, now_ms: int, partitions: Sequence[Partition]) -> Fate:
        """Draw one record; keys stay on their partition while there are no more of them."""
        scenario, chance = self._scenario, self._chance
        kind = chance.choices(list(scenario.kinds), list(scenario.kinds.values()))[0]
        if kind == "big" and scenario.vendor.most_bytes >= ITEM_BYTES:
            kind = "good"
        user = chance.randrange(scenario.keys)
        partition = partitions[user * 7 % len(partitions)]
        key = None if user % 11 == 10 else f"k{user}".encode()
        if key is None:
            partition = chance.choice(partitions)
        # A topic made anew repeats offsets, and only time tells its records from the old ones.
        timeless = chance.random() < 0.02 and kind == "good" and not scenario.remade
        stamp_ms = -1 if timeless else now_ms
        return self._made(kind, partition, key, f"u{user}", stamp_ms)

    def make_fresh(self, now_ms: int, partition: Partition) -> Fate:
        """Make a good record of a key that was never seen."""
        name = f"fresh{self._numbers}"
        return self._made("good", partition, name.encode(), name, now_ms)

    def _made(self, kind: str, partition: Partition, key: bytes | None, user: str, stamp_ms: int) -> Fate:
        scenario, chance = self._scenario, self._chance
        self._numbers += 1
        offset = self._place(partition)
        roles = self._roles()
        group = self._groups.choice(scenario.groups)
        value = self._value(kind, user, roles, group)
        headers = (("trace", b"x" * chance.randrange(30)),) if chance.random() < 0.2 else ()
        record = Record(partition, offset, stamp_ms, key, value, headers)
        sent = () if kind in UNSENT or kind in SKIPPED else roles
        who = self._order(partition, key, user)
        return Fate(self._numbers, kind, record, sent, who, group, user)

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

    def _value(self, kind: str, user: str, roles: tuple[str, ...], group: str) -> bytes | None:
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
        fields["group"] = group
        if kind == "elsewhere":
            fields["sinks"] = {"simulated": False}
        return b"\x00" + schema.to_bytes(4, "big") + encode(fields)
