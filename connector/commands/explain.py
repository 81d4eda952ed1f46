"""`connector explain`: one record as every sink would send it, and nothing of it sent."""

import asyncio
import json
import random
import re
import sys
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

import fastavro
import msgspec
from msgspec import Struct

from connector.adapters.clock import SystemClock
from connector.adapters.kafka_client import look_at
from connector.adapters.kafka_log import Extent, extents, read_between
from connector.app import Plan, Process, flow_options, make_metrics
from connector.domain.events import Event
from connector.domain.exchange import HttpRequest
from connector.domain.record import Partition, Record
from connector.errors import ConnectorError, KafkaFailed, Undecodable
from connector.observe.masking import Masks
from connector.pipeline.decode import Ignored, UnknownSchema
from connector.pipeline.deliver import NONCE_BYTES
from connector.pipeline.feed import Feeds
from connector.pipeline.preview import Moment, Preview, preview
from connector.sinks.contract import Payload, Sink, Topic
from connector.sinks.registry import settings_class

_GROUP = "connector-explain"


class Place(Struct, frozen=True):
    """Where a record sits."""

    partition: Partition
    offset: int


def parse_place(text: str) -> Place:
    """Read TOPIC:PARTITION:OFFSET. Raises: ValueError."""
    found = re.fullmatch(r"([A-Za-z0-9._-]+):(\d+):(\d+)", text)
    if found is None:
        raise ValueError("must be TOPIC:PARTITION:OFFSET, such as events:0:17")
    return Place(Partition(found[1], int(found[2])), int(found[3]))


async def explain(plan: Plan, place: Place) -> int:
    """Print what would become of a record; return the exit code."""
    metrics, _ = make_metrics(plan.settings)
    process = Process(plan, metrics, SystemClock())
    try:
        record = await _record(plan, place)
        for line in _said_of(record):
            print(line)
        event = await _event(process, record)
        if isinstance(event, Ignored):
            print(f"skipped by every sink: {event.reason}")
            return 0
        print(f"{type(event).__name__} {_pretty(_shown(msgspec.to_builtins(event)))}")
        for sink in plan.sinks:
            for line in await _by_sink(plan, process, sink, record, event):
                print(line)
    except Undecodable as fault:
        print(f"a dead letter of every sink: {fault}")
    except ConnectorError as failure:
        print(f"cannot be explained: {failure}", file=sys.stderr)
        return 1
    finally:
        await process.close()
    return 0


async def _record(plan: Plan, place: Place) -> Record:
    """Read one record. Raises: KafkaFailed where it is not there."""
    found = (await extents(plan.settings.kafka, place.partition.topic, _GROUP)).get(place.partition)
    if found is None:
        raise KafkaFailed(f"{place.partition} does not exist")
    if not found.start <= place.offset < found.end:
        raise KafkaFailed(f"{place.partition} holds offsets {found.start} to {found.end - 1}")
    wanted = {place.partition: Extent(place.offset, place.offset + 1)}
    async for records in read_between(plan.settings.kafka, wanted):
        for record in records:
            return record
    raise KafkaFailed(f"{place.partition} holds no record at {place.offset}: compacted, or a transaction's mark")


async def _event(process: Process, record: Record) -> Event | Ignored:
    """Decode as a flow does; a schema is asked of the registry. Raises: Undecodable, SchemaMissing, and what it may."""
    try:
        return process.decoder.decode(record)
    except UnknownSchema as unknown:
        await process.decoder.learn(unknown.schema)
    return process.decoder.decode(record)


async def _by_sink(plan: Plan, process: Process, sink: Sink, record: Record, event: Event) -> Iterator[str]:
    chance, clock = random.Random(), SystemClock()
    delivery = plan.settings.delivery[sink.name]
    topic = record.partition.topic
    if not any(re.match(name, topic) if name.startswith("^") else name == topic for name in delivery.topics):
        return iter([f"\n{sink.name}: does not read {topic}"])
    # Feeds hold nothing of the record, and some sinks decide nothing without theirs.
    feeds = Feeds(sink.feeds, process.http, clock, chance, process.shelf)
    await asyncio.gather(*(feeds.renew(feed.name) for feed in sink.feeds))
    cluster = (await look_at(plan.settings.kafka, topic)).cluster_id
    moment = Moment(cluster, feeds.values, clock.now_ms(), chance.randbytes(NONCE_BYTES))
    options = flow_options(sink.name, delivery, plan.settings.connector, max_age=True)
    masks = Masks(settings_class(sink.name).load(plan.environ).secrets())
    return _told(sink, preview(sink, options, record, event, moment), feeds.failing, masks)


def _said_of(record: Record) -> Iterator[str]:
    yield f"{record.partition} offset {record.offset}, {record.size} bytes, timestamp {record.timestamp_ms} ms"
    yield f"key: {'none' if record.key is None else _text(record.key)}"
    for name, value in record.headers:
        yield f"header {name}: {'none' if value is None else _text(value)}"


def _told(of: Sink, made: Preview, failing: Mapping[str, str], masks: Masks) -> Iterator[str]:
    """Say what a sink makes of the event, secrets masked."""
    sink = of.name
    yield ""
    for feed, reason in failing.items():
        yield f"{sink}: its feed {feed} could not be asked for: {reason}"
    if made.unasked:
        yield f"{sink}: not looked up here, and taken for empty: {', '.join(made.unasked)}"
    if made.skipped:
        yield f"{sink}: skipped, {made.skipped}"
        return
    key = "none" if made.key is None else _text(made.key)
    yield f"{sink}: wanted; order key {key}, lane {made.lane}"
    if made.waits_for:
        yield f"{sink}: waits for its feed {made.waits_for}"
    if made.asks:
        yield f"{sink}: asks for its {made.asks} first, as follows; what is sent depends on the answer"
    if made.refused:
        yield f"{sink}: a dead letter, {made.refused}"
    for one in made.payloads:
        role = f", role {one.role}" if one.role else ""
        yield f"{sink}: {len(one.body)} bytes to {one.endpoint}, id {one.id}{role}"
    for request in made.requests:
        yield from _rendered(request, masks)
    for one in made.payloads:
        topic = of.endpoints[one.endpoint].topic
        if topic is not None:
            yield from _written(topic, one)


def _written(topic: Topic, payload: Payload) -> Iterator[str]:
    yield ""
    yield f"a record to topic {topic.name}, key {'none' if payload.key is None else _text(payload.key)}"
    schema = fastavro.parse_schema(json.loads(topic.schema))
    yield _pretty(msgspec.to_builtins(fastavro.schemaless_reader(BytesIO(payload.body), schema, None)))


def _rendered(request: HttpRequest, masks: Masks) -> Iterator[str]:
    yield ""
    yield f"{request.method} {masks.text(request.url)}"
    for name, value in masks.headers(request.headers).items():
        yield f"{name}: {value}"
    yield ""
    inflated = zlib.decompress(request.body, 31) if request.headers.get("Content-Encoding") == "gzip" else request.body
    yield masks.text(_text(inflated))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _shown(value: Any) -> Any:
    """Leave out what the event does not say."""
    if not isinstance(value, dict):
        return value
    inner = {name: _shown(one) for name, one in value.items()}
    return {name: one for name, one in inner.items() if one not in (None, {}, [], ())}


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
