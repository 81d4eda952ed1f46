"""From the consumer into the lanes: decode, route, and hand to the lane of the key."""

from collections.abc import Iterable, Sequence

from connector.domain.events import Event
from connector.domain.outcome import Rejected
from connector.errors import Undecodable
from connector.observe.metrics import FlowMetrics
from connector.pipeline.account import Account
from connector.pipeline.acknowledge import OpenRecord
from connector.pipeline.decode import Ignored, UnknownSchema
from connector.pipeline.desk import LONGEST_COMPUTED_S
from connector.pipeline.lane import Lane
from connector.pipeline.options import Outside
from connector.pipeline.route import Router
from connector.pipeline.schema_wait import SchemaWait
from connector.pipeline.translate import Arrival

# So much of records may be decoded at once: an event takes up to fifteen times the memory of its record, and more.
MOST_DECODED_BYTES = 256 << 10

Arrivals = dict[Lane, list[tuple[Arrival, Event]]]


class Intake:
    """Takes open records in, in order per partition; those whose schema is unknown wait with their partition."""

    def __init__(
        self,
        router: Router,
        lanes: Sequence[Lane],
        account: Account,
        outside: Outside,
        schema_grace_s: float,
        metrics: FlowMetrics,
    ) -> None:
        self.schemas = SchemaWait(
            outside.decoder, outside.clock, outside.chance, schema_grace_s, self.take, self._missing
        )
        self._router = router
        self._lanes = lanes
        self._account = account
        self._decoder = outside.decoder
        self._clock = outside.clock
        self._metrics = metrics
        # A dict keeps the order in which lanes were touched, which a set would leave to memory addresses.
        self._asleep: dict[Lane, None] = {}

    def take(self, records: Iterable[OpenRecord]) -> None:
        """Bring records to their lanes and wake these, or to what else becomes of them."""
        self.take_some(records)
        self.wake()

    def wake(self) -> None:
        """Have the lanes look that took something since the last time."""
        asleep, self._asleep = self._asleep, {}
        for lane in asleep:
            lane.wake()

    def take_some(self, records: Iterable[OpenRecord]) -> None:
        """Do as `take`, but leave the lanes asleep."""
        clock = self._clock
        began_s, translating_s, decoded = clock.monotonic_s(), 0.0, 0
        arrivals: Arrivals = {}
        waiting, router, lanes = self.schemas.waiting, self._router, self._lanes
        for opened in records:
            record = opened.record
            if opened.done:
                continue
            if waiting and (held := waiting.get(record.partition)) is not None:
                held.append(opened)
                continue
            event = self._wanted(opened)
            if event is not None:
                key = router.key(record, event)
                arrivals.setdefault(lanes[router.lane(record, key)], []).append((Arrival(opened, key), event))
                decoded += opened.charged
                if decoded > MOST_DECODED_BYTES:
                    translating_s += self._hand_over(arrivals, LONGEST_COMPUTED_S - translating_s)
                    arrivals, decoded = {}, 0
        translating_s += self._hand_over(arrivals, LONGEST_COMPUTED_S - translating_s)
        self._metrics.loop("decode", clock.monotonic_s() - began_s - translating_s)
        self._metrics.translated(translating_s)

    def _hand_over(self, arrivals: Arrivals, within_s: float) -> float:
        """Have the lanes translate these, as far as there is time, and return how long it took."""
        began_s = self._clock.monotonic_s()
        for lane, those in arrivals.items():
            lane.take(those, began_s + within_s)
            self._asleep[lane] = None
        return self._clock.monotonic_s() - began_s

    def _wanted(self, opened: OpenRecord) -> Event | None:
        """Decode and route; None where the record goes no further."""
        try:
            event = self._decoder.decode(opened.record)
        except UnknownSchema as unknown:
            self.schemas.hold(opened, unknown.schema)
            return None
        except Undecodable as bad:
            self._undecodable(opened, bad.reason, bad.detail)
            return None
        if isinstance(event, Ignored):
            self._account.skipped(opened, event.reason)
            return None
        reason = self._router.skip(event)
        if reason is None:
            return event
        self._account.skipped(opened, reason)
        return None

    def _missing(self, opened: OpenRecord) -> None:
        self._undecodable(opened, "schema_not_found", "")

    def _undecodable(self, opened: OpenRecord, reason: str, detail: str) -> None:
        self._metrics.decode_failed(opened.record.partition.topic, reason)
        self._account.failed(opened, Rejected(reason, detail))
