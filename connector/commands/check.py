"""`connector check`: whether everything that a run needs is there, without running."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

from msgspec import Struct

from connector.adapters.clock import SystemClock
from connector.adapters.kafka_client import topic_names
from connector.app import Plan, Process, letters_topic, make_metrics, own_topics
from connector.domain.events import Event, Exposure, Identify, Track, Workflow
from connector.domain.exchange import HttpRequest
from connector.domain.record import Partition, Record
from connector.errors import Ambiguous, KafkaFailed, NotSent, SchemaMissing, SchemaUnavailable, SetupFailed
from connector.pipeline.feed import Feeds
from connector.pipeline.options import Options
from connector.pipeline.preview import Moment, preview
from connector.sinks.contract import Probed, Sink

ANSWER_S = 5.0
# No registry counts so far; that it knows no such id shows that it answers, and whom it lets in.
NO_SCHEMA = 2**31 - 1
_USER = "connector-check"


class Finding(Struct, frozen=True):
    """One thing that was looked at; `fault` says what is wrong and what to do, "" where nothing is."""

    subject: str
    fault: str = ""
    note: str = ""


async def check(plan: Plan) -> int:
    """Look at everything and print a line for each; return 1 where something is wrong."""
    metrics, _ = make_metrics(plan.settings)
    process, wrong = Process(plan, metrics, SystemClock()), 0
    print(f"ok    settings: sinks {', '.join(sink.name for sink in plan.sinks)}")
    for warning in plan.warnings:
        print(f"note  settings: {warning}")
    try:
        async for found in _findings(plan, process):
            wrong += bool(found.fault)
            said = found.fault or found.note
            print(f"{'FAIL' if found.fault else 'ok  '}  {found.subject}{f': {said}' if said else ''}")
    finally:
        await process.close()
    print("everything is there" if not wrong else f"{wrong} wrong")
    return 1 if wrong else 0


async def _findings(plan: Plan, process: Process) -> AsyncIterator[Finding]:
    try:
        names = await topic_names(plan.settings.kafka, ANSWER_S)
    except KafkaFailed as failure:
        yield Finding("kafka", f"{failure}; topics were not looked at")
    else:
        yield Finding("kafka", note=f"{len(names)} topics")
        for found in _topics(plan, names):
            yield found
    if process.registry is not None:
        yield await _registry(process)
    for sink in plan.sinks:
        async for found in _vendor(process, sink):
            yield found


def _topics(plan: Plan, names: frozenset[str]) -> Iterator[Finding]:
    """Look for the topics that are read, and for those that are written to."""
    wanted = {topic: None for delivery in plan.settings.delivery.values() for topic in delivery.topics}
    for topic in wanted:
        if topic.startswith("^"):
            count = sum(1 for name in names if re.match(topic, name))
            yield Finding(f"topics {topic}", "" if count else "none is there", f"{count} now")
        else:
            yield Finding(f"topic {topic}", "" if topic in names else "does not exist; create it")
    for sink in plan.sinks:
        letters = letters_topic(plan.settings.connector, sink.name)
        yield Finding(f"dead-letter topic {letters}", "" if letters in names else "does not exist; create it")
        for topic in own_topics(sink):
            yield Finding(f"{sink.name}: topic {topic}", "" if topic in names else "does not exist; create it")


async def _registry(process: Process) -> Finding:
    assert process.registry is not None
    try:
        await process.registry.fetch(NO_SCHEMA)
    except SchemaMissing:
        pass
    except SchemaUnavailable as failure:
        return Finding("schema registry", str(failure))
    return Finding("schema registry")


async def _vendor(process: Process, sink: Sink) -> AsyncIterator[Finding]:
    """Ask for a sink's feeds and its probe, which shows their credentials, and knock where it would send."""
    chance, clock = random.Random(), SystemClock()
    probe = sink.probe if isinstance(sink, Probed) else None
    asked = [*sink.feeds, probe] if probe else sink.feeds
    feeds = Feeds(asked, process.http, clock, chance, process.shelf)
    await asyncio.gather(*(feeds.renew(feed.name) for feed in asked))
    for feed in asked:
        yield Finding(f"{sink.name}: {feed.name}", feeds.failing.get(feed.name, ""))
    if not asked:
        yield Finding(f"{sink.name}: credentials", note="not tried, as only a delivery would; the first one tells")
    addresses = dict.fromkeys(_addresses(sink, Moment("", feeds.values, clock.now_ms(), bytes(16))))
    if not addresses:
        yield Finding(f"{sink.name}: address", note="not known before its feeds are")
    for address in addresses:
        yield Finding(f"{sink.name}: {address}", await _knock(process, address))


def _addresses(sink: Sink, moment: Moment) -> Iterator[str]:
    """Yield where requests of made-up events would go, without their paths, which may hold a name."""
    for event in _samples(moment.now_ms):
        record = Record(Partition("check", 0), 0, moment.now_ms, None, None)
        for request in preview(sink, Options(""), record, event, moment).requests:
            parts = urlsplit(request.url)
            yield f"{parts.scheme}://{parts.netloc}"


def _samples(now_ms: int) -> Iterator[Event]:
    yield Track(name="Connector Check", user_id=_USER, timestamp_ms=now_ms)
    yield Identify(user_id=_USER, timestamp_ms=now_ms, traits={"checked": True})
    yield Workflow(slug="connector-check", user_id=_USER, timestamp_ms=now_ms, recipients=(_USER,))
    yield Exposure(user_id=_USER, timestamp_ms=now_ms, variation_id="check", variation_group_id="check")


async def _knock(process: Process, address: str) -> str:
    """Ask for the head of the root page, without credentials: any status is an answer. Return what is wrong."""
    try:
        await process.http.send(HttpRequest("HEAD", f"{address}/", {}), timeout_s=ANSWER_S)
    except (NotSent, Ambiguous, SetupFailed) as failure:
        return f"cannot be reached: {failure}"
    return ""
