"""One record of a bulk request: what all kinds share, its encoding and its size. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from connector.domain.events import Event
from connector.domain.ids import fitted_id
from connector.errors import Untranslatable
from connector.sinks.contract import Payload, Payloads, Scene
from connector.sinks.encoding import encoded
from connector.sinks.suprsend.request import ITEM_BYTES

Record = dict[str, Any]

_LONGEST_KEY = 255
_SHORTEST_INSERT_ID = 36
# Hours stop at 23: two days are 2d, never 48h. Source: suprsend-py-sdk 0.10.0, package page.
_DURATION = re.compile(r"(\d+d)?(0*(1?\d|2[0-3])h)?(0*[1-5]?\dm)?(0*[1-5]?\ds)?", re.ASCII)


class Stamp(Struct, frozen=True):
    """What tells one record from all others: the same on every attempt and after every restart."""

    ident: str
    insert_id: str
    time_ms: int


def stamp(event: Event, scene: Scene) -> Stamp:
    """Name the record by its event's id, and date it by the event's own time."""
    ident = event.message_id or scene.record_id
    at_ms = scene.now_ms if event.timestamp_ms is None else event.timestamp_ms
    return Stamp(ident, fitted_id(ident, shortest=_SHORTEST_INSERT_ID, longest=_LONGEST_KEY), at_ms)


def idempotency_key(given: str | None, stamp: Stamp) -> str:
    """Return the event's own key as it is, for the schema to judge, else one made of the record's id.

    The vendor trims keys, so a blank one would be the same for all events that have it.
    """
    return given if given and given.strip() else fitted_id(stamp.ident, longest=_LONGEST_KEY)


def distinct_id(event: Event) -> str:
    """Return the user's id, trimmed. Raises: Untranslatable without one."""
    ident = (event.user_id or "").strip()
    if not ident:
        raise Untranslatable("no_identity", "user_id")
    return ident


def add_tenancy(record: Record, event: Event) -> None:
    """Add the tenant and the brand, where there are any."""
    context = event.context
    if context.tenant_id:
        record["tenant_id"] = context.tenant_id
    if context.brand_id:
        record["brand_id"] = context.brand_id


def require_duration(text: object, field: str) -> None:
    """Refuse a text that is no duration such as 1d2h30m10s. Raises: Untranslatable."""
    if isinstance(text, str) and not (text and _DURATION.fullmatch(text)):
        raise Untranslatable("bad_duration", field)


def one(endpoint: str, record: Mapping[str, Any], ident: str, *, replay_safe: bool = True) -> Payloads:
    """Encode the one record of an event. Raises: Untranslatable, `too_large`.

    Units: sizes as the vendor's SDK counts them, with a space after each comma and colon. No text grows threefold by
    that, so it is written out only where it could matter.
    """
    body = encoded(record)
    most = ITEM_BYTES[endpoint]
    if 3 * len(body) > most and len(spaced(body)) > most:
        raise Untranslatable("too_large", endpoint)
    return Payloads((Payload(endpoint, body, ident, replay_safe=replay_safe),))


def spaced(body: bytes) -> bytes:
    """Write a record as the vendor's SDK does, for its size."""
    return json.dumps(json.loads(body), ensure_ascii=False).encode()
