"""Small values of the pipeline for tests: records, deliveries, a vendor as plain as the contract allows."""

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import count

from msgspec import Struct, field
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from connector.domain.events import Event, Track
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.outcome import Delivered, Outcome, Refresh, Rejected, Retryable, SetupFault, Undetermined
from connector.domain.record import Partition, Record
from connector.errors import Undecodable, Untranslatable
from connector.observe.metrics import FlowMetrics, Metrics
from connector.pipeline.acknowledge import Holding, OpenRecord
from connector.pipeline.batch import Batch, Delivery
from connector.pipeline.decode import Ignored, UnknownSchema
from connector.pipeline.judge import Now, Policy
from connector.sinks.contract import (
    Answered,
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
    Skip,
    StoredLookup,
    Translation,
    Verdict,
)
from tests.doubles.clock import EPOCH_MS

P0, P1 = Partition("t", 0), Partition("t", 1)
LIMITS = Limits(items=100, request_bytes=100_000, item_bytes=10_000)
EVENT = Endpoint("event", LIMITS)
SETUP = (EVENT.name, "")
POLICY = Policy(retry_first_s=0.5, retry_longest_s=60.0, park_s=600.0, ambiguous="resend")

_offsets = count()


def record(offset: int, key: bytes | None = b"k", value: bytes | None = b"v", partition: Partition = P0) -> Record:
    return Record(partition, offset, EPOCH_MS, key, value)


def opened(offset: int | None = None, holding: Holding | None = None) -> OpenRecord:
    at = next(_offsets) if offset is None else offset
    return (holding or Holding(P0, 1, 0, "cluster")).admit(record(at), 0.0)


def delivery(
    key: bytes | None = b"k",
    *,
    endpoint: str = "event",
    group: str = "",
    body: bytes = b"x",
    merge: bytes | None = None,
    replay_safe: bool = True,
    deadline_ms: int | None = None,
    of: OpenRecord | None = None,
) -> Delivery:
    payload = Payload(endpoint, body, "id", group=group, merge=merge, replay_safe=replay_safe)
    return Delivery(of or opened(), payload, key, 0.0, deadline_ms)


def batch_of(size: int, endpoint: Endpoint = EVENT) -> Batch:
    """Make a batch whose deliveries have keys and bodies of their own."""
    made = (delivery(b"k%d" % one, body=b"%d" % one) for one in range(size))
    return Batch(endpoint, tuple((one,) for one in made), "count")


def now(s: float = 0.0, *, healthy: bool = False, seed: int = 0) -> Now:
    return Now(s, EPOCH_MS + round(s * 1000), healthy, random.Random(seed))


def silent_metrics() -> FlowMetrics:
    return Metrics(CollectorRegistry()).flow("test", ["t"])


class PlainSink(Struct, frozen=True):
    """Sends an event's name as the payload; names starting with `bad` cannot be translated.

    `merges`: events of one user have an equal head.
    """

    endpoints: Mapping[str, Endpoint] = field(default_factory=lambda: {"event": EVENT})
    feeds: Sequence[Feed] = ()
    lookups: Sequence[Lookup | StoredLookup] = ()
    token: str = "token"
    needed: Callable[[str], tuple[Need, ...]] = lambda name: ()
    goes_to: Callable[[str, str], bool] = lambda name, endpoint: True
    group_of: Callable[[str], str] = lambda name: ""
    safe: bool = True
    merges: bool = False
    preferences: Preferences = Preferences()
    name: str = "plain"

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        return self.needed(event.event_name or "")

    def translate(self, event: Event, scene: Scene) -> Translation:
        assert isinstance(event, Track)
        if event.name.startswith("bad"):
            raise Untranslatable("no_name", "name")
        if event.name.startswith("skip"):
            return Skip("kind")
        body = event.name.encode()
        head = (event.user_id or "").encode() if self.merges else None
        made = (
            Payload(to, body, event.name, self.group_of(event.name), to, replay_safe=self.safe, merge=head)
            for to in self.endpoints
            if self.goes_to(event.name, to)
        )
        return Payloads(tuple(made))

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        body = b",".join(member.body for item in items for member in item.members)
        headers = {"attempt": str(attempt.number), "token": self.token, "group": items[0].first.group}
        return HttpRequest("POST", f"https://vendor.example/{endpoint.name}", headers, body)

    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
        """Read a status; a 200 with a body has one letter per item: o(k), r(ejected), l(ater)."""
        meant: dict[int, Outcome] = {ord("o"): Delivered(), ord("r"): Rejected("refused"), ord("l"): Retryable("later")}
        if reply.status == 200:
            return [meant[letter] for letter in reply.body] if reply.body else [Delivered()] * len(items)
        if reply.status == 401 and self.feeds:
            return Refresh("token", "expired")
        if reply.status in (401, 403):
            return SetupFault("credentials")
        if reply.status == 429:
            return [Retryable("rate_limited", limited=True)] * len(items)
        if reply.status >= 500:
            return [Retryable("server_error")] * len(items)
        return [Undetermined("bad_request", by_bytes=reply.status == 413)] * len(items)


class Profile(Struct, frozen=True):
    """Asks for somebody's profile; a 200 holds it, other statuses mean what they mean to `PlainSink`."""

    ttl_s: float = 60.0
    endpoint: Endpoint = Endpoint("profile", replace(LIMITS, items=1), quota="profiles")
    name: str = "profile"

    def request(self, need: Need, now_ms: int) -> HttpRequest:
        return HttpRequest("POST", "https://vendor.example/profile", {}, need.key.encode())

    def read(self, need: Need, reply: HttpResponse) -> Answered | Outcome | SetupFault:
        if reply.status == 200:
            return Answered(reply.body)
        if reply.status in (401, 403):
            return SetupFault("credentials")
        if reply.status == 429:
            return Retryable("rate_limited", limited=True)
        return Retryable("server_error") if reply.status >= 500 else Undetermined("bad_request")


class TextDecoder:
    """Values are event names; `?7:name` needs schema 7 to be learnt by `ask`, `!` is undecodable."""

    def __init__(self, ask: Callable[[int], None] = lambda schema: None) -> None:
        self.ask = ask
        self.known: set[int] = set()
        self.asked: list[int] = []

    def decode(self, record: Record) -> Event | Ignored:
        if record.value is None:
            return Ignored("tombstone")
        text = record.value.decode()
        if text.startswith("!"):
            raise Undecodable("malformed")
        if text.startswith("?"):
            schema, text = int(text[1]), text[3:]
            if schema not in self.known:
                raise UnknownSchema(schema)
        return Track(name=text, user_id=(record.key or b"nobody").decode())

    async def learn(self, schema: int) -> None:
        self.asked.append(schema)
        self.ask(schema)
        self.known.add(schema)
