"""mParticle: a key pair per platform, and events of one user merged into one batch object. Pure."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from uuid import NAMESPACE_OID, uuid5

from msgspec import Struct
from msgspec.json import encode

from connector.domain.events import Event, Track
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.outcome import Delivered, Retryable, SetupFault, Undetermined
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
    Skip,
    Translation,
    Verdict,
)

# The batch object around its members and its head, whose first brace becomes the comma before it.
AROUND = b'{"events":[],"source_request_id":"00000000-0000-0000-0000-000000000000"'
LIMITS = Limits(
    items=100,
    request_bytes=256_000,
    item_bytes=128_000 - len(AROUND),
    members=1_000,
    item_overhead=len(AROUND) + 1,
    member_overhead=1,
)
BULK = Endpoint("bulkevents", LIMITS, rate_per_s=270, cost="item")


class MparticleSketch(Struct, frozen=True):
    """Shape: `pairs` name -> (key, secret)."""

    pairs: Mapping[str, tuple[str, str]]
    name: str = "mparticle"
    feeds: Sequence[Feed] = ()
    lookups: Sequence[Lookup] = ()
    preferences: Preferences = Preferences()

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        return {"bulkevents": BULK}

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        return ()

    def translate(self, event: Event, scene: Scene) -> Translation:
        if not isinstance(event, Track):
            return Skip("kind")
        ident = event.message_id or scene.record_id
        data = {
            "timestamp_unixtime_ms": event.timestamp_ms,
            "source_message_id": ident,
            "custom_attributes": event.properties,
            "custom_event_type": "other",
            "event_name": event.name,
        }
        head = {"environment": event.environment or "production", "user_identities": {"customerid": event.user_id}}
        payload = Payload(
            "bulkevents",
            encode({"data": data, "event_type": "custom_event"}),
            ident,
            group=event.context.device.platform or "web",
            merge=encode(head),
        )
        return Payloads((payload,))

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        key, secret = self.pairs[items[0].first.group]
        headers = {
            "Content-Type": "application/json",
            "Authorization": "Basic " + b64encode(f"{key}:{secret}".encode()).decode(),
        }
        body = b"[" + b",".join(map(_batch, items)) + b"]"
        return HttpRequest("POST", "https://s2s.mparticle.com/v2/bulkevents", headers, body)

    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
        if reply.status == 202:
            return [Delivered()] * len(items)
        if reply.status in (401, 403):
            return SetupFault("credentials", items[0].first.group)
        if reply.status == 429 or reply.status >= 500:
            return [Retryable("unavailable", limited=reply.status == 429)] * len(items)
        return [Undetermined("refused")] * len(items)


def batch_id(item: Item) -> str:
    """Name a batch by what is in it: equal for an equal retry, another for other members."""
    return str(uuid5(NAMESPACE_OID, "/".join(member.id for member in item.members)))


def _batch(item: Item) -> bytes:
    events = b",".join(member.body for member in item.members)
    head = (item.first.merge or b"{}")[1:]
    return b'{"events":[' + events + b'],"source_request_id":"' + batch_id(item).encode() + b'",' + head
