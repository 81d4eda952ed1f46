"""Stage 2b, route: whether the sink wants an event, and the key whose order it must keep. Pure."""

import re
from collections.abc import Sequence
from typing import Literal

import mmh3

from connector.domain.events import Event
from connector.domain.record import Record
from connector.pipeline.options import RouteOptions

MOST_NAMES = 10_000
# An address may stand where a name should, and ten thousand long ones are no longer few.
LONGEST_NAME = 200

OrderBy = Literal["key", "user", "partition", "none"]


class Router:
    """The routing rules of one sink. Verdicts on names are remembered: there are few names and many events."""

    def __init__(self, sink: str, options: RouteOptions, order_by: OrderBy, lanes: int) -> None:
        self._sink = sink
        self._allow = [re.compile(pattern) for pattern in options.allow]
        self._deny = [re.compile(pattern) for pattern in options.deny]
        self._consent = options.consent
        self._order_by = order_by
        self._lanes = lanes
        self._names: dict[str, bool] = {}

    def skip(self, event: Event) -> str | None:
        """Return why this sink does not get the event; None where it does."""
        if event.sinks and event.sinks.get(self._sink) is False:
            return "opted_out"
        if (self._allow or self._deny) and not self._allows(event.event_name):
            return "filtered"
        if self._consent is not None and not event.about_consent:
            state = event.consent.get(self._consent)
            if state is None or not state.granted:
                return "consent"
        return None

    def key(self, record: Record, event: Event) -> bytes | None:
        """Return the order key; None where order does not matter."""
        if self._order_by == "none":
            return None
        if self._order_by == "key" and record.key is not None and not event.ordered_by_user:
            return record.key
        if self._order_by != "partition":
            user = event.user_id or event.anonymous_id
            if user:
                return user.encode()
            if record.key is not None:
                return record.key
        at = record.partition
        return f"{at.topic}/{at.number}".encode()

    def lane(self, record: Record, key: bytes | None) -> int:
        """Return the lane of a key; records without one take turns."""
        if key is None:
            return record.offset % self._lanes
        return mmh3.hash(key, signed=False) % self._lanes

    def _allows(self, name: str | None) -> bool:
        """Apply the patterns; an event of a kind without a name passes both lists."""
        if name is None:
            return True
        known = self._names.get(name)
        if known is None:
            if len(self._names) >= MOST_NAMES:
                self._names.clear()
            known = (not self._allow or _matches(self._allow, name)) and not _matches(self._deny, name)
            if len(name) <= LONGEST_NAME:
                self._names[name] = known
        return known


def _matches(patterns: Sequence[re.Pattern[str]], name: str) -> bool:
    return any(pattern.match(name) for pattern in patterns)
