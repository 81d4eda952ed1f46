"""A vendor that judges each item of a request: only what failed is handled again, and each by its own verdict.

The flow runs in this process, with a sink of this test's own on the real contract, the real client and a raw server.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from msgspec import Struct, field
from prometheus_client import CollectorRegistry

from connector.adapters.clock import SystemClock
from connector.adapters.http_client import HttpClient
from connector.adapters.http_transport import HttpOptions
from connector.domain.events import Event, Track
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.outcome import Delivered, Outcome, Rejected, Retryable
from connector.observe.metrics import Metrics
from connector.pipeline.consume import Consumer, Owner
from connector.pipeline.flow import Flow
from connector.pipeline.options import Options, Outside
from connector.sinks.contract import (
    Attempt,
    Endpoint,
    Feed,
    Item,
    Limits,
    Lookup,
    Need,
    Payload,
    Payloads,
    Preferences,
    Scene,
    Translation,
    Verdict,
)
from connector.sinks.status import refusal
from tests.doubles.broker import ListConsumer, ListProducer
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.process import until
from tests.unit.pipeline.making import P0, TextDecoder, record

RECORDS, KEYS = 600, 60
POISON = frozenset({"n-17", "n-240", "n-599"})  # answered 400 each time
TIRED = frozenset({"n-5", "n-66", "n-300", "n-301"})  # answered 503 the first time
ENDPOINT = Endpoint("items", Limits(items=20, request_bytes=100_000, item_bytes=1_000, linger_s=0.05), itemised=True)


class ItemSink(Struct, frozen=True):
    """Takes 202 as all of it, 207 as a status per item, 200 as all but those under `errors`."""

    url: str
    endpoints: Mapping[str, Endpoint] = field(default_factory=lambda: {"items": ENDPOINT})
    feeds: Sequence[Feed] = ()
    lookups: Sequence[Lookup] = ()
    preferences: Preferences = Preferences()
    name: str = "items"

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        return ()

    def translate(self, event: Event, scene: Scene) -> Translation:
        assert isinstance(event, Track)
        return Payloads((Payload("items", json.dumps(event.name).encode(), event.name),))

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        body = b"[" + b",".join(item.first.body for item in items) + b"]"
        return HttpRequest("POST", self.url, {"attempt": str(attempt.number)}, body)

    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
        count = len(items)
        if not 200 <= reply.status < 300:
            return [Retryable("server_error")] * count
        if reply.status == 202:
            return [Delivered()] * count
        try:
            told = json.loads(reply.body)
            if reply.status == 207:
                return [outcome_of(status) for status in told]
            failed = {error["index"]: outcome_of(error["status"]) for error in told["errors"]}
            return [failed.get(index, Delivered()) for index in range(count)]
        except (ValueError, KeyError, TypeError):
            return [Retryable("unreadable", ambiguous=True)] * count


def outcome_of(status: int) -> Outcome:
    if status == 200:
        return Delivered()
    if status == 400:
        return Rejected("refused", "status 400")
    outcome = refusal(status)
    assert isinstance(outcome, Retryable)
    return outcome


class Judging:
    """Judges item by item and tells it in turn by 207, by a list of errors, by 202 where there are none.

    `odd` replies, one each time, come after all of the first requests was taken that hold nothing troublesome: their
    shape says nothing.
    """

    def __init__(self, *odd: Reply) -> None:
        self.accepted: list[str] = []
        self.unclear: list[str] = []
        self.sends: Counter[str] = Counter()
        self._odd = list(odd)

    def __call__(self, request: Request) -> Reply:
        names: list[str] = json.loads(request.body)
        self.sends.update(names)
        if self._odd and not self.troubled & set(names):
            self.accepted += names
            self.unclear += names
            return self._odd.pop()
        statuses = [self._status(name) for name in names]
        self.accepted += [name for name, status in zip(names, statuses, strict=True) if status == 200]
        if set(statuses) == {200} and request.number % 3 == 0:
            return Reply(202)
        if request.number % 2:
            return Reply(207, body=json.dumps(statuses).encode())
        errors = [{"index": index, "status": status} for index, status in enumerate(statuses) if status != 200]
        return Reply(200, body=json.dumps({"errors": errors}).encode())

    @property
    def troubled(self) -> set[str]:
        return {*POISON, *TIRED, *self.unclear}

    def _status(self, name: str) -> int:
        if name in POISON:
            return 400
        return 503 if name in TIRED and self.sends[name] == 1 else 200


class Run:
    """A flow over the given vendor until all records are resolved; `stored` is the offset after it."""

    def __init__(self, script: Judging) -> None:
        self.script = script
        self.letters: list[str] = []
        self.stored = 0
        self.registry = CollectorRegistry()

    async def play(self) -> None:
        names = [f"n-{number}" for number in range(RECORDS)]
        log = [record(at, f"k-{at % KEYS}".encode(), name.encode()) for at, name in enumerate(names)]
        producer, http = ListProducer(), HttpClient(HttpOptions())
        async with Vendor(self.script) as vendor:
            sink = ItemSink(f"{vendor.url}/items")
            outside = Outside(
                decoder=TextDecoder(),
                http=http,
                producer=producer,
                clock=SystemClock(),
                chance=random.Random(3),
                reload=lambda: sink,
            )
            flow = Flow(sink, Options("letters", lanes=4), outside, Metrics(self.registry).flow("items", ["t"]))
            consumers: list[ListConsumer] = []

            def join(owner: Owner) -> Consumer:
                consumers.append(ListConsumer(owner, log, {P0: 0}))
                return consumers[0]

            running = asyncio.create_task(flow.run(join))
            await until(lambda: running.done() or (consumers and consumers[0].stored.get(P0) == RECORDS), 30, "the end")
            flow.stop()
            await running
            await http.close()
        self.stored = consumers[0].stored[P0]
        self.letters = [(letter.value or b"").decode() for letter in producer.letters]

    def requests(self, outcome: str) -> float:
        samples = [one for family in self.registry.collect() for one in family.samples]
        counted = [one for one in samples if one.name == "connector_http_requests_total"]
        return sum(one.value for one in counted if one.labels["outcome"] == outcome)

    def assert_sound(self) -> None:
        """Assert conservation, order of the first deliveries, and that only what was unclear came twice."""
        taken = Counter(self.script.accepted)
        assert set(taken) | set(self.letters) == {f"n-{number}" for number in range(RECORDS)}
        assert sorted(self.letters) == sorted(POISON)
        assert not set(taken) & POISON
        assert {name for name, times in taken.items() if times > 1} == set(self.script.unclear)
        assert max(taken.values()) <= 2
        numbers = [int(name[2:]) for name in dict.fromkeys(self.script.accepted)]
        for key in range(KEYS):
            of_key = [number for number in numbers if number % KEYS == key]
            assert of_key == sorted(of_key)
        assert self.stored == RECORDS


@pytest.mark.shows("V11")
def test_of_a_half_accepted_request_only_the_failed_items_are_handled_again() -> None:
    run = Run(Judging())
    asyncio.run(run.play())
    run.assert_sound()
    assert {name: times for name, times in run.script.sends.items() if times > 1} == dict.fromkeys(TIRED, 2)
    assert run.requests("ambiguous") == 0


@pytest.mark.shows("V11")
def test_a_reply_whose_items_cannot_be_told_apart_leaves_the_whole_request_ambiguous() -> None:
    odd = (
        Reply(207, body=b"[200]"),
        Reply(207, body=b'{"status": "partial"}'),
        Reply(200, body=b"<html>OK</html>"),
        Reply(200, body=b'{"errors": [{"status": 400}]}'),
        Reply(200, body=b'{"success": true}'),
    )
    run = Run(Judging(*odd))
    asyncio.run(run.play())
    run.assert_sound()
    assert len(run.script.unclear) > len(odd)
    assert run.requests("ambiguous") == 5
