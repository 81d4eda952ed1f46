"""SuprSend: a signature over the bytes sent, and replies that judge each record by its index. Pure."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.json import encode

from connector.domain.events import Event, Track
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.ids import fitted_id
from connector.domain.outcome import Delivered, Outcome, Rejected, Retryable, SetupFault, Undetermined
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

CONTENT_TYPE = "application/json; charset=utf-8"
EVENTS = Endpoint("events", Limits(items=100, request_bytes=819_200, item_bytes=819_200 - 2), itemised=True)


class Row(Struct):
    status: Literal["success", "error"]
    status_code: int


class Rows(Struct):
    records: list[Row]


class SuprsendSketch(Struct, frozen=True):
    key: str
    secret: str
    name: str = "suprsend"
    feeds: Sequence[Feed] = ()
    lookups: Sequence[Lookup] = ()
    preferences: Preferences = Preferences(start_from="latest", max_age_s=86_400.0)

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        return {"events": EVENTS}

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        return ()

    def translate(self, event: Event, scene: Scene) -> Translation:
        if not isinstance(event, Track):
            return Skip("kind")
        ident = event.message_id or scene.record_id
        record = {
            "$insert_id": fitted_id(ident, shortest=36, longest=255),
            "$time": event.timestamp_ms,
            "event": event.name,
            "env": self.key,
            "distinct_id": event.user_id,
            "properties": event.properties,
            "$idempotency_key": fitted_id(ident, longest=255),
        }
        return Payloads((Payload("events", encode(record), ident),))

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        body = b"[" + b",".join(item.first.body for item in items) + b"]"
        date = formatdate(attempt.now_ms // 1000, usegmt=True)
        path = "/v2/bulk/event/"
        signed = sign(self.secret, "POST", body, date, path)
        headers = {"Content-Type": CONTENT_TYPE, "Date": date, "Authorization": f"{self.key}:{signed}"}
        return HttpRequest("POST", "https://hub.suprsend.com" + path, headers, body)

    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
        if reply.status in (401, 403):
            return SetupFault("credentials")
        if reply.status in (408, 429) or reply.status >= 500:
            return [Retryable("unavailable", limited=reply.status == 429)] * len(items)
        if reply.status >= 300:
            return [Undetermined("refused")] * len(items)
        try:
            rows = msgspec.json.decode(reply.body, type=Rows).records
        except (msgspec.DecodeError, UnicodeDecodeError):
            rows = []
        if len(rows) != len(items):
            return [Retryable("unreadable_reply", ambiguous=True)] * len(items)
        return [_outcome(row) for row in rows]


def sign(secret: str, method: str, body: bytes, date: str, uri: str) -> str:
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest() if body else ""
    text = "\n".join((method, digest, CONTENT_TYPE, date, uri))
    return b64encode(hmac.digest(secret.encode(), text.encode(), "sha256")).decode()


def _outcome(row: Row) -> Outcome:
    if row.status == "success":
        return Delivered()
    if row.status_code == 429 or row.status_code >= 500:
        return Retryable("record_unavailable", limited=row.status_code == 429)
    return Rejected("record_refused", str(row.status_code))
