"""mParticle's Events API as a sandbox vendor. Pure.

A bulk request is taken whatever is in it, 202 with no word of the batches that the schema does not allow: those are
turned down in silence. A single batch gets the 400.
Sources: docs.mparticle.com, "HTTP API", "Default Service Limits" and "JSON Reference", October 2023, and the schema of
`mparticle_schema.py`. What those leave open is answered in the way that a careless sender notices first.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Raw

from connector.sandbox.mparticle_schema import BATCH, EVENTS, Head, Wrapped
from connector.sandbox.vendor import Answer, Call, Item, Route

MOST_BATCHES = 100
MOST_BYTES = 256_000
MOST_BATCH_BYTES = 128_000
OLDEST_MS = 30 * 24 * 3600 * 1000
FORMS = ("product_action", "promotion_action", "product_impressions")
_bulk = msgspec.json.Decoder(list[Raw])
_wrapped = msgspec.json.Decoder(Wrapped)


class Mparticle:
    """Answers for a request as a whole; an item is an event, or a batch that has none."""

    name = "mparticle"

    @property
    def routes(self) -> Mapping[str, Route]:
        return {"POST /v2/events": _single, "POST /v2/bulkevents": _several}

    def refusal(self, status: int, retry_after_s: float | None) -> Answer:
        """Say a status; a limit names itself, in quotes, and may tell a wait."""
        headers = {"X-mp-rate-limit-exceeded": '"workspace"'} if status == 429 else {}
        if retry_after_s is not None:
            headers["Retry-After"] = f"{retry_after_s:.0f}"
        return Answer(status, b"", headers)

    def environ(self, url: str) -> Mapping[str, str]:
        credentials = {"MPARTICLE_KEY": "sandbox", "MPARTICLE_SECRET": "sandbox"}
        # Events of a shop that has other vendors, too, bear categories that are none of this one.
        return {"MPARTICLE_HOST": url, **credentials, "MPARTICLE_OTHER_CATEGORIES": "other"}


def _single(call: Call) -> Answer:
    fault = _unfit(call)
    if fault is not None:
        return fault
    items = list(_items(call.body, call))
    reason = next((item.reason for item in items if item.reason), "")
    if reason:
        return Answer(400, _said(reason), items=items, refused=reason)
    return _taken(items, 1)


def _several(call: Call) -> Answer:
    fault = _unfit(call)
    if fault is not None:
        return fault
    try:
        batches = _bulk.decode(call.body)
    except msgspec.DecodeError:
        return _refused(400, "malformed")
    if len(batches) > MOST_BATCHES:
        return _refused(400, "over_100_batches")
    items = [item for batch in batches for item in _items(bytes(batch), call)]
    bad = [item for item in items if item.reason == "bad_item"]
    if bad:
        return Answer(400, _said("bad_item"), items=bad, refused="bad_item")
    return _taken(items, len(batches))


def _unfit(call: Call) -> Answer | None:
    """Refuse what is not looked into."""
    scheme, _, value = call.headers.get("Authorization", "").partition(" ")
    if scheme != "Basic":
        return _refused(401, "unauthorised")
    try:
        key, colon, secret = b64decode(value, validate=True).partition(b":")
    except binascii.Error:
        return _refused(403, "credentials")
    if not (key and colon and secret):
        return _refused(403, "credentials")
    if call.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
        return _refused(400, "content_type")
    return _refused(413, "too_large") if len(call.body) >= MOST_BYTES else None


def _items(batch: bytes, call: Call) -> Iterator[Item]:
    """Yield a batch's events, or itself where it has none; one fault turns all of it down."""
    try:
        head = BATCH.decode(batch)
        events = [_wrapped.decode(event) for event in head.events]
    except msgspec.DecodeError:
        yield Item("", "batch", batch, "schema")
        return
    items = [_item(event, bytes(raw), call) for event, raw in zip(events, head.events, strict=True)]
    items = items or [_profile(head, batch, call)]
    reason = next((item.reason for item in items if item.reason), "")
    if len(batch) > MOST_BATCH_BYTES:
        reason = "batch_too_large"
    yield from (msgspec.structs.replace(item, reason=reason) for item in items)


def _profile(head: Head, batch: bytes, call: Call) -> Item:
    return Item(head.source_request_id, "profile", batch, "bad_item" if call.bad(head.source_request_id) else "")


def _item(event: Wrapped, body: bytes, call: Call) -> Item:
    decoder = EVENTS.get(event.event_type)
    if decoder is None:
        return Item("", event.event_type, body, "unknown_type")
    try:
        data = decoder.decode(event.data)
    except msgspec.DecodeError:
        return Item("", event.event_type, body, "schema")
    ident = data.source_message_id or ""
    name = getattr(data, "event_name", None) or getattr(data, "screen_name", None)
    reason = "bad_item" if call.bad(ident) else ""
    if event.event_type == "commerce_event" and sum(getattr(data, form) is not None for form in FORMS) != 1:
        reason = "not_one_form"
    if data.timestamp_unixtime_ms is not None and data.timestamp_unixtime_ms < call.now_ms - OLDEST_MS:
        reason = "too_old"
    return Item(ident, f"{event.event_type} {name}" if name else event.event_type, body, reason)


def _taken(items: list[Item], batches: int) -> Answer:
    return Answer(202, items=items, cost=batches, used_header="X-mp-rate-limit-percentage-used")


def _refused(status: int, reason: str) -> Answer:
    return Answer(status, _said(reason) if status == 400 else b"", refused=reason)


def _said(reason: str) -> bytes:
    return msgspec.json.encode({"errors": [{"code": "BAD_REQUEST", "message": reason.replace("_", " ")}]})
