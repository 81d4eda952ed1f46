"""One event as a sink would send it, by the stages' own rules: route, translate, cut, render. Pure."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from connector.domain.events import Event
from connector.domain.exchange import HttpRequest
from connector.domain.ids import record_id
from connector.domain.record import Record
from connector.errors import Untranslatable
from connector.pipeline.acknowledge import Holding
from connector.pipeline.batch import Delivery, too_large
from connector.pipeline.cut import cut
from connector.pipeline.options import Options
from connector.pipeline.route import Router
from connector.sinks.contract import Attempt, Hold, Need, Payload, Payloads, Scene, Sink, Skip, StoredLookup

MOST_QUESTIONS = 10


class Moment(Struct, frozen=True):
    """What is known besides the event: the cluster, the feeds, the time and 16 random bytes."""

    cluster_id: str
    feeds: Mapping[str, object]
    now_ms: int
    nonce: bytes


class Preview(Struct, frozen=True):
    """What would become of the event.

    Shape: one of `skipped`, `waits_for`, `refused` and `asks` says why there are no payloads, else all are "".
    `unasked` names the stores that were not asked: it was translated without what they keep.
    `asks` is the lookup on whose answer all else depends; then `requests` holds its question.
    `requests` are those it would travel in alone, as first attempts.
    """

    skipped: str = ""
    waits_for: str = ""
    refused: str = ""
    asks: str = ""
    key: bytes | None = None
    lane: int = 0
    unasked: Sequence[str] = ()
    payloads: Sequence[Payload] = ()
    requests: Sequence[HttpRequest] = ()


def preview(sink: Sink, options: Options, record: Record, event: Event, moment: Moment) -> Preview:
    """Say what the sink would make of an event."""
    router = Router(sink.name, options.route, options.order_by, options.lanes)
    skipped = router.skip(event)
    if skipped is not None:
        return Preview(skipped=skipped)
    key = router.key(record, event)
    lane = router.lane(record, key)
    scene, asked = _scene(sink, record, event, moment)
    unasked = tuple(sorted({need.lookup for need in scene.facts}))
    for lookup in sink.lookups:
        if asked is not None and lookup.name == asked.lookup and not isinstance(lookup, StoredLookup):
            question = lookup.request(asked, moment.now_ms)
            return Preview(asks=lookup.name, key=key, lane=lane, unasked=unasked, requests=(question,))
    try:
        translation = sink.translate(event, scene)
    except Untranslatable as refusal:
        return Preview(refused=str(refusal), key=key, lane=lane, unasked=unasked)
    match translation:
        case Skip(reason):
            return Preview(skipped=reason, key=key, lane=lane, unasked=unasked)
        case Hold(feed):
            return Preview(waits_for=feed, key=key, lane=lane, unasked=unasked)
        case Payloads(payloads):
            large = [one.endpoint for one in payloads if too_large(one, sink.endpoints[one.endpoint].limits)]
            refused = f"too_large: {large[0]}" if large else ""
            requests = () if large else tuple(_requests(sink, record, key, payloads, moment))
            return Preview(
                "" if payloads else "kind",
                refused=refused,
                key=key,
                lane=lane,
                unasked=unasked,
                payloads=payloads,
                requests=requests,
            )


def _scene(sink: Sink, record: Record, event: Event, moment: Moment) -> tuple[Scene, Need | None]:
    """Answer what stores keep by nothing; return the first need that the vendor would have to be asked for."""
    name = event.message_id or record_id(moment.cluster_id, record)
    stores = {lookup.name for lookup in sink.lookups if isinstance(lookup, StoredLookup)}
    facts: dict[Need, object] = {}
    for _ in range(MOST_QUESTIONS):
        missing = sink.needs(event, Scene(moment.now_ms, name, moment.feeds, facts))
        for need in missing:
            if need.lookup not in stores:
                return Scene(moment.now_ms, name, moment.feeds, facts), need
        if all(need in facts for need in missing):
            break
        facts = {**facts, **dict.fromkeys(missing)}
    return Scene(moment.now_ms, name, moment.feeds, facts), None


def _requests(
    sink: Sink, record: Record, key: bytes | None, payloads: Sequence[Payload], moment: Moment
) -> Iterator[HttpRequest]:
    opened = Holding(record.partition, 0, record.offset, moment.cluster_id).admit(record, 0.0)
    queue = deque(Delivery(opened, payload, key, 0.0) for payload in payloads)
    attempt = Attempt(1, moment.now_ms, moment.nonce, moment.feeds)
    while queue:
        batch = cut(
            queue,
            sink.endpoints,
            lambda endpoint, group: "go",
            lambda endpoint: endpoint.limits.request_bytes,
            {},
            "preview",
        )
        if batch is None:
            return
        if batch.endpoint.topic is None:
            yield sink.request(batch.endpoint, batch.items(), attempt)
