"""Stage 3, translate: an event into deliveries, all of it or nothing."""

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from connector.domain.events import Event
from connector.domain.ids import record_id
from connector.domain.outcome import Rejected
from connector.domain.record import Origin
from connector.errors import StoreFailed, Untranslatable
from connector.pipeline.acknowledge import DELIVERY_OVERHEAD_BYTES, OpenRecord
from connector.pipeline.batch import Delivery, too_large
from connector.pipeline.feed import HOLD_S
from connector.pipeline.lookup import Unanswered
from connector.sinks.contract import Need, Payload, Payloads, Scene, Skip, Translation

if TYPE_CHECKING:
    from connector.pipeline.desk import Desk


class Arrival(Struct, frozen=True, eq=False):
    """A record that this sink wants, with its order key.

    Its event is not kept while it waits: decoded it takes up to fifteen times its bytes, of which alone the budget
    knows.
    """

    opened: OpenRecord
    key: bytes | None


async def translate(
    desk: "Desk", arrival: Arrival, queue: deque[Delivery], facts: Mapping[Need, object]
) -> float | Unanswered:
    """Decode a record anew and find out what the sink must know of it, then do as `translate_now`.

    What was learned is kept first.

    What the vendor must be asked for beside these facts comes back instead.
    """
    if arrival.opened.done or not arrival.opened.holding.live:
        return 0.0
    try:
        event = desk.decode(arrival.opened.record)
        assert isinstance(event, Event)
        scene = await _informed(desk, arrival, event, facts)
        if isinstance(scene, Unanswered):
            return scene
        made = _translation(desk, event, scene)
        if isinstance(made, Payloads | Skip) and made.saves:
            # Before anything can be acknowledged: a record that ended is not translated again.
            await desk.lookups.save(made.saves)
    except StoreFailed:
        return HOLD_S
    except Exception as fault:  # noqa: BLE001  as in translating
        made = _verdict(fault)
    return _end(desk, arrival, made, queue)


def translate_now(desk: "Desk", arrival: Arrival, event: Event, queue: deque[Delivery]) -> float:
    """Append the deliveries of one record to the queue; return seconds to wait where it cannot be made yet.

    For a sink that asks nothing per record.
    """
    scene = Scene(desk.clock.now_ms(), _name(arrival, event), desk.feeds.values)
    return _end(desk, arrival, _translation(desk, event, scene), queue)


def _name(arrival: Arrival, event: Event) -> str:
    """Return the event's own id, else one made of the record's place."""
    return event.message_id or record_id(arrival.opened.holding.cluster_id, arrival.opened.record)


async def _informed(desk: "Desk", arrival: Arrival, event: Event, given: Mapping[Need, object]) -> Scene | Unanswered:
    """Find out what the sink needs to know of an event, and what it needs to know then."""
    name, facts = _name(arrival, event), dict(given)
    while True:
        scene = Scene(desk.clock.now_ms(), name, desk.feeds.values, facts)
        missing = [need for need in desk.sink.needs(event, scene) if need not in facts]
        if not missing:
            return scene
        for need in missing:
            found = await desk.lookups.find(need)
            if isinstance(found, Unanswered):
                return found
            facts[need] = found


def _translation(desk: "Desk", event: Event, scene: Scene) -> Translation | Rejected:
    try:
        return desk.sink.translate(event, scene)
    except Exception as fault:  # noqa: BLE001  a translator's own defect costs its record only, and trips the guard
        return _verdict(fault)


def _verdict(fault: Exception) -> Rejected:
    if isinstance(fault, Untranslatable):
        return Rejected(fault.reason, fault.detail)
    return Rejected("translator_fault", type(fault).__name__)


def _end(desk: "Desk", arrival: Arrival, made: Translation | Rejected, queue: deque[Delivery]) -> float:
    opened = arrival.opened
    if opened.done or not opened.holding.live:
        return 0.0
    if isinstance(made, Payloads):
        _enqueue(desk, arrival, made, queue)
    elif isinstance(made, Rejected):
        _refused(desk, opened, made)
    elif isinstance(made, Skip):
        desk.account.skipped(opened, made.reason)
    else:
        return HOLD_S
    return 0.0


def _enqueue(desk: "Desk", arrival: Arrival, translation: Payloads, queue: deque[Delivery]) -> None:
    opened, endpoints = arrival.opened, desk.sink.endpoints
    payloads = translation.payloads
    if opened.record.origin is not None:
        payloads = _owed(opened.record.origin, payloads)
    if not payloads:
        desk.account.skipped(opened, "kind")
        return
    size = DELIVERY_OVERHEAD_BYTES * (len(payloads) - 1)
    for payload in payloads:
        if too_large(payload, endpoints[payload.endpoint].limits):
            _refused(desk, opened, Rejected("too_large", payload.endpoint))
            return
        size += len(payload.body) + len(payload.merge or b"")
    opened.holding.charge(opened, size)
    opened.pending = len(payloads)
    now_s = desk.clock.monotonic_s()
    latest_ms = expires_ms(opened, desk.options.max_age_s)
    for payload in payloads:
        deadline_ms = latest_ms
        if payload.not_after_ms is not None:
            deadline_ms = payload.not_after_ms if latest_ms is None else min(latest_ms, payload.not_after_ms)
        queue.append(Delivery(opened, payload, arrival.key, now_s, deadline_ms))


def _refused(desk: "Desk", opened: OpenRecord, verdict: Rejected) -> None:
    desk.metrics.translate_failed(verdict.reason)
    desk.account.failed(opened, verdict)


def _owed(origin: Origin, payloads: tuple[Payload, ...]) -> tuple[Payload, ...]:
    """Of a replayed record only the deliveries that failed."""
    return tuple(payload for payload in payloads if not origin.roles or payload.role in origin.roles)


def expires_ms(opened: OpenRecord, max_age_s: float | None) -> int | None:
    at_ms = opened.record.timestamp_ms
    if max_age_s is None or at_ms < 0:
        return None
    return at_ms + int(max_age_s * 1000)
