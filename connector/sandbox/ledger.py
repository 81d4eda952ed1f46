"""The books of a demo, kept outside of the connector: what was produced, what vendors took, what became a letter. Pure.

An item belongs to the record whose id it carries, as its own id or anywhere in its text.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct

from connector.domain.record import Partition
from connector.sandbox.vendor import Item

Place = tuple[Partition, int]
_UUID = re.compile(rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


class Balance(Struct, frozen=True):
    """A sink's closing line. Shape: `faults` say why it does not add up, none where it does."""

    sink: str
    produced: int
    delivered: int
    dead_lettered: int
    skipped: int
    duplicates: int
    age_p50_s: float
    age_p99_s: float
    faults: Sequence[str] = ()


class Taken:
    """What one vendor took: each record's age when its first item came, its items, and those that came again."""

    def __init__(self) -> None:
        self.ages_s: dict[str, float] = {}
        self.parts: defaultdict[str, set[str | bytes]] = defaultdict(set)
        self.duplicates = 0
        self.foreign = 0
        self._items: set[str] = set()

    def share_within(self, share: float) -> float:
        """Return the age that so large a share of the records stays within."""
        ages = sorted(self.ages_s.values())
        return ages[min(len(ages) - 1, int(share * len(ages)))] if ages else 0.0

    def came(self, item: Item) -> None:
        if item.id in self._items:
            self.duplicates += 1
        elif item.id:
            self._items.add(item.id)


class Ledger:
    """One for all sinks, since each has the same records to account for."""

    def __init__(self, sinks: Sequence[str]) -> None:
        self.taken: Mapping[str, Taken] = {sink: Taken() for sink in sinks}
        self.values: dict[str, bytes] = {}
        self._produced: dict[Place, str] = {}
        self._sent_ms: dict[str, int] = {}

    def sent(self, identifier: str, value: bytes, now_ms: int) -> None:
        """An event with this id is on its way to Kafka."""
        self.values[identifier] = value
        self._sent_ms[identifier] = now_ms

    def placed(self, identifier: str, partition: Partition, offset: int) -> None:
        """Kafka has a record; `identifier` is its event's, "" where it has none."""
        self._produced[partition, offset] = identifier

    def took(self, sink: str, items: Sequence[Item], now_ms: int) -> None:
        """A vendor took these."""
        taken = self.taken[sink]
        for item in items:
            taken.came(item)
            record = self._record(item)
            if record:
                taken.ages_s.setdefault(record, (now_ms - self._sent_ms[record]) / 1000)
                taken.parts[record].add(item.id or item.body)
            else:
                taken.foreign += 1

    def balance(
        self, sink: str, letters: Sequence[Place], counted: Mapping[str, int], parts: Mapping[str, int]
    ) -> Balance:
        """Close a sink's books over the letters found in its topic and what the connector itself counted.

        `parts` says of how many items a record consists for this sink.
        """
        taken, lettered = self.taken[sink], {self._produced.get(place) for place in letters}
        whole = taken.ages_s.keys() - lettered
        delivered = len(whole)
        skipped = counted.get("skipped", 0)
        faults = []
        if len(self._produced) != delivered + len(letters) + skipped:
            faults.append(f"{len(self._produced)} produced, {delivered + len(letters) + skipped} accounted for")
        if len(set(letters)) != len(letters) or set(letters) - self._produced.keys():
            faults.append("letters of the same record, or of none that was produced")
        torn = sum(1 for record in whole if len(taken.parts[record]) < parts.get(record, 1))
        if torn:
            faults.append(f"{torn} records of which the vendor took only a part")
        if taken.foreign:
            faults.append(f"{taken.foreign} items of no record that was produced")
        for outcome, found in (("delivered", delivered), ("dead_lettered", len(letters))):
            if counted.get(outcome, 0) != found:
                faults.append(f"{found} {outcome}, the connector counted {counted.get(outcome, 0)}")
        return Balance(
            sink,
            len(self._produced),
            delivered,
            len(letters),
            skipped,
            taken.duplicates,
            taken.share_within(0.5),
            taken.share_within(0.99),
            tuple(faults),
        )

    def _record(self, item: Item) -> str:
        if item.id in self._sent_ms:
            return item.id
        found = (match.group().decode() for match in _UUID.finditer(item.body))
        return next((identifier for identifier in found if identifier in self._sent_ms), "")
