"""Segment in one endpoint: the plainest vendor. Pure."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
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

ENVELOPE = b'{"batch":[],"sentAt":"0000-00-00T00:00:00.000+00:00","writeKey":""}'


class SegmentSketch(Struct, frozen=True):
    write_key: str
    name: str = "segment"
    feeds: Sequence[Feed] = ()
    lookups: Sequence[Lookup] = ()
    preferences: Preferences = Preferences()

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        overhead = len(ENVELOPE) + len(self.write_key)
        limits = Limits(items=100, request_bytes=500_000, item_bytes=32_768, request_overhead=overhead)
        return {"batch": Endpoint("batch", limits)}

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        return ()

    def translate(self, event: Event, scene: Scene) -> Translation:
        if not isinstance(event, Track):
            return Skip("kind")
        ident = event.message_id or scene.record_id
        message = {
            "integrations": {},
            "anonymousId": event.anonymous_id,
            "properties": event.properties,
            "timestamp": _iso(event.timestamp_ms or scene.now_ms),
            "context": {"library": {"name": "sketch", "version": "1"}},
            "userId": event.user_id,
            "type": "track",
            "event": event.name,
            "messageId": ident,
        }
        return Payloads((Payload("batch", encode(message), ident),))

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        headers = {
            "Content-Type": "application/json",
            "Authorization": "Basic " + b64encode(f"{self.write_key}:".encode()).decode(),
        }
        if attempt.number > 1:
            headers["X-Retry-Count"] = str(attempt.number - 1)
        batch = msgspec.Raw(b"[" + b",".join(item.first.body for item in items) + b"]")
        body = encode({"batch": batch, "sentAt": _iso(attempt.now_ms), "writeKey": self.write_key})
        return HttpRequest("POST", "https://api.segment.io/v1/batch", headers, body)

    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
        if 200 <= reply.status < 300:
            return [Delivered()] * len(items)
        if reply.status in (401, 403):
            return SetupFault("credentials")
        if reply.status == 429:
            return [Retryable("rate_limited", limited=True)] * len(items)
        if reply.status >= 500:
            return [Retryable("server_error")] * len(items)
        return [Undetermined("refused", by_bytes=reply.status == 413)] * len(items)


def _iso(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="milliseconds")
