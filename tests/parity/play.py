"""A scenario through a real flow in virtual time: translate, cut, send, read, retry, halt as in production."""

import asyncio
import gzip
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from prometheus_client import CollectorRegistry

from connector.domain.events import Event
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.record import Partition, Record
from connector.errors import ConnectorError, SettingsError, Undecodable
from connector.observe.metrics import Metrics
from connector.pipeline.consume import Consumer, Owner
from connector.pipeline.flow import Flow
from connector.pipeline.options import Options, Outside
from connector.pipeline.retry_after import retry_after_s
from connector.sinks.contract import Sink
from connector.sinks.registry import create_sinks
from tests.doubles import clock
from tests.doubles.broker import ListConsumer, ListProducer
from tests.parity.capture import Answer, Observed, Scenario, Sent, Wire

TOPIC = Partition("captured", 0)
ANSWER_S = 0.01
LOOK_S = 0.05
ENDS = ("delivered", "dead_lettered", "skipped")


def play(sink: str, scenario: Scenario) -> Observed:
    """Run until every input has ended, or the scenario's time is over."""
    return clock.run(_play(sink, scenario))


def wire_of(request: HttpRequest) -> Wire:
    """Show a request as a capture does."""
    url = urlsplit(request.url)
    headers = {"host": url.netloc, **{name.lower(): value for name, value in request.headers.items()}}
    body = gzip.decompress(request.body) if headers.get("content-encoding") == "gzip" else request.body
    path = url.path + (f"?{url.query}" if url.query else "")
    return Wire(request.method, path, headers, parsed(body), request.body)


def parsed(body: bytes) -> Any:
    """Parse JSON; text that is none stays as it is."""
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body.decode()


class Server:
    """Answers by the scenario and keeps what it was sent."""

    def __init__(self, answer: Callable[[HttpRequest], Answer]) -> None:
        self.sent: list[Sent] = []
        self._answer = answer

    async def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        at_s = asyncio.get_running_loop().time()
        answer = self._answer(request)
        headers = {} if isinstance(answer, ConnectorError) else answer.headers
        self.sent.append(Sent(at_s, wire_of(request), retry_after_s(headers, 0, longest_s=900.0) or 0.0))
        await asyncio.sleep(ANSWER_S)
        if isinstance(answer, ConnectorError):
            raise answer
        return answer


class Inputs:
    """A decoder whose records are the scenario's inputs, by offset."""

    def __init__(self, inputs: Sequence[Event | Undecodable]) -> None:
        self._inputs = inputs

    def decode(self, record: Record) -> Event:
        found = self._inputs[record.offset]
        if isinstance(found, Undecodable):
            raise found
        return found

    async def learn(self, schema: int) -> None:
        raise AssertionError("no input needs a schema")


async def _play(name: str, scenario: Scenario) -> Observed:
    try:
        (sink,) = [scenario.make(scenario.environ)] if scenario.make else create_sinks([name], scenario.environ)
    except SettingsError:
        return Observed((), Counter(refused_at_start=1))
    server, registry, letters = Server(scenario.answer), CollectorRegistry(), ListProducer()
    flow = _flow(sink, server, registry, letters, scenario)
    count = len(scenario.inputs)
    # Keys play no part, so that all inputs meet in one lane, in order, as in one client of an SDK.
    log = [Record(TOPIC, offset, scenario.began_ms, None, b"") for offset in range(count)]

    def join(owner: Owner) -> Consumer:
        return ListConsumer(owner, log, {TOPIC: 0})

    running = asyncio.ensure_future(flow.run(join))
    until_s = asyncio.get_running_loop().time() + scenario.lasts_s
    while not running.done() and asyncio.get_running_loop().time() < until_s:
        await asyncio.sleep(LOOK_S)
        holding = flow.ledger.holdings.get(TOPIC)
        if holding is not None and holding.committable == count:
            break
    sent = tuple(server.sent)
    flow.stop()
    await running
    labels = {"sink": name, "topic": TOPIC.topic}
    ends = Counter[str]()
    for end in ENDS:
        resolved = registry.get_sample_value("connector_records_resolved_total", {**labels, "outcome": end})
        ends[end] = int(resolved or 0)
    ends["open"] = count - ends.total()
    return Observed(sent, +ends, Counter(letters.noted("reason")))


def _flow(sink: Sink, server: Server, registry: CollectorRegistry, letters: ListProducer, scenario: Scenario) -> Flow:
    outside = Outside(
        decoder=Inputs(scenario.inputs),
        http=server,
        producer=letters,
        clock=clock.LoopClock(scenario.began_ms),
        chance=random.Random(1),
        reload=lambda: sink,
    )
    options = Options(letters_topic="letters", lanes=1, order_by="none", route=scenario.route)
    return Flow(sink, options, outside, Metrics(registry).flow(sink.name, [TOPIC.topic]))
