"""What a sandbox vendor has received: counts of everything, and the last of it whole. Bounded. Pure."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from connector.sandbox.vendor import Answer, Item

MOST_KEPT = 1_000
MOST_IDS = 500_000


class Seen(Struct, frozen=True, gc=False):
    """An item, and where and when it came."""

    item: Item
    route: str
    at_ms: int


class Books:
    """One vendor's. Ids are remembered for the last 500,000 items at least, to tell a duplicate."""

    def __init__(self, kept: int = MOST_KEPT) -> None:
        self.requests = 0
        self.bytes = 0
        self.accepted = 0
        self.duplicates = 0
        self.statuses: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.first_ms = 0
        self.last_ms = 0
        self._last: deque[Seen] = deque(maxlen=kept)
        self._ids: set[str] = set()
        self._earlier: set[str] = set()

    def came(self, size: int, now_ms: int) -> None:
        """Note a request, whatever becomes of it."""
        self.requests += 1
        self.bytes += size
        self.first_ms = self.first_ms or now_ms
        self.last_ms = now_ms

    def answered(self, status: str, troubles: Sequence[str]) -> None:
        """Note how a request ended; `status` is "none" where the connection did."""
        self.statuses[status] += 1
        self.faults.update(troubles)

    def took(self, route: str, answer: Answer, now_ms: int) -> list[Item]:
        """Note what an answer says of its items; return those that were taken."""
        if answer.refused:
            self.refused[answer.refused] += 1
        taken = [item for item in answer.items if not item.reason]
        if len(taken) < len(answer.items):
            self.rejected.update(item.reason for item in answer.items if item.reason)
        self.accepted += len(taken)
        self._know([item.id for item in taken if item.id])
        self._last.extend(Seen(item, route, now_ms) for item in answer.items)
        return taken

    def _know(self, ids: Sequence[str]) -> None:
        if len(self._ids) + len(ids) > MOST_IDS:
            self._earlier, self._ids = self._ids, set()
        new = set(ids) - self._ids
        self.duplicates += len(ids) - len(new) + len(new & self._earlier)
        self._ids |= new

    def stats(self) -> dict[str, Any]:
        """Return all the counts."""
        names = ("requests", "bytes", "accepted", "duplicates", "first_ms", "last_ms")
        numbers: dict[str, Any] = {name: getattr(self, name) for name in names}
        for name in ("statuses", "faults", "rejected", "refused"):
            numbers[name] = dict(sorted(getattr(self, name).items()))
        return numbers

    def tail(self, most: int) -> Iterator[Seen]:
        """Return the last items, the newest first."""
        return (seen for seen, _ in zip(reversed(self._last), range(most), strict=False))


def shown(vendor: str, seen: Seen) -> dict[str, Any]:
    """Render an item for a person; a body that is not JSON is shown as text."""
    item = seen.item
    try:
        msgspec.json.decode(item.body)
        body: Any = msgspec.Raw(item.body)
    except msgspec.DecodeError:
        body = item.body.decode(errors="replace")
    head = {"vendor": vendor, "at_ms": seen.at_ms, "route": seen.route, "id": item.id, "label": item.label}
    return {**head, "rejected": item.reason, "body": body}
