"""From the consumer into the lanes: decode, route, and hand to the lane of the key."""

from collections.abc import Iterable, Sequence

from connector.domain.outcome import Rejected
from connector.errors import Undecodable
from connector.observe.metrics import FlowMetrics
from connector.pipeline.account import Account
from connector.pipeline.acknowledge import OpenRecord
from connector.pipeline.decode import Ignored, UnknownSchema
from connector.pipeline.lane import Lane
from connector.pipeline.options import Outside
from connector.pipeline.route import Router
from connector.pipeline.schema_wait import SchemaWait
from connector.pipeline.translate import Arrival


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
        self._metrics = metrics

    def take(self, records: Iterable[OpenRecord]) -> None:
        """Bring records to their lanes, or to what else becomes of them, and wake the lanes."""
        # A dict keeps the order in which lanes were touched, which a set would leave to memory addresses.
        touched: dict[Lane, None] = {}
        waiting = self.schemas.waiting
        for opened in records:
            if opened.done:
                continue
            held = waiting.get(opened.record.partition)
            if held is not None:
                held.append(opened)
                continue
            lane = self._admit(opened)
            if lane is not None:
                touched[lane] = None
        for lane in touched:
            lane.wake()

    def _admit(self, opened: OpenRecord) -> Lane | None:
        """Decode, route and hand to a lane, which is returned; None where the record goes no further."""
        record = opened.record
        try:
            event = self._decoder.decode(record)
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
        if reason is not None:
            self._account.skipped(opened, reason)
            return None
        key = self._router.key(record, event)
        lane = self._lanes[self._router.lane(record, key)]
        lane.offer(Arrival(opened, event, key))
        return lane

    def _missing(self, opened: OpenRecord) -> None:
        self._undecodable(opened, "schema_not_found", "")

    def _undecodable(self, opened: OpenRecord, reason: str, detail: str) -> None:
        self._metrics.decode_failed(opened.record.partition.topic, reason)
        self._account.failed(opened, Rejected(reason, detail))
