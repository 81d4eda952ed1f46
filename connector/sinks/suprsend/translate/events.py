"""Track and Commerce to events. Pure."""

from typing import Any

import msgspec

from connector.domain.events import Commerce, Event, Track
from connector.errors import Untranslatable
from connector.sinks.contract import Payloads
from connector.sinks.suprsend.attachment import Detect, with_attachments
from connector.sinks.suprsend.records import Record, Stamp, add_tenancy, distinct_id, idempotency_key, one
from connector.sinks.suprsend.request import EVENTS, LIBRARY
from connector.sinks.suprsend.schemas import EVENT, checker

_check = checker(EVENT)
_VENDOR_NAMES = frozenset(
    (
        "$identify",
        "$notification_delivered",
        "$notification_dismiss",
        "$notification_clicked",
        "$app_launched",
        "$user_login",
        "$user_logout",
    )
)


def track(event: Track, stamp: Stamp, workspace: str, detect: Detect | None) -> Payloads:
    """Make an event of a Track."""
    properties = with_attachments(dict(event.properties), event.attachments, detect)
    return _event(event, event.name, properties, event.idempotency_key, stamp, workspace)


def commerce(event: Commerce, stamp: Stamp, workspace: str) -> Payloads:
    """Make an event of a Commerce, under the word of its action; its own properties win over what it says elsewhere."""
    return _event(event, event.event_name, {**_said(event), **event.properties}, None, stamp, workspace)


def _event(
    event: Event, given_name: str, properties: dict[str, Any], key: str | None, stamp: Stamp, workspace: str
) -> Payloads:
    """Put an event together and check it in the order the vendor's SDK does.

    Source: suprsend-py-sdk 0.20.0; but for the time, which there is always that of sending.
    """
    user = distinct_id(event)
    name = _allowed(given_name)
    properties["$ss_sdk_version"] = LIBRARY
    record: Record = {
        "$insert_id": stamp.insert_id,
        "$time": stamp.time_ms,
        "event": name,
        "env": workspace,
        "distinct_id": user,
        "properties": properties,
        "$idempotency_key": idempotency_key(key, stamp),
    }
    add_tenancy(record, event)
    _check(record)
    return one(EVENTS, record, stamp.ident)


def _allowed(given: str) -> str:
    name = given.strip()
    if not name:
        raise Untranslatable("no_name", "name")
    if (name.startswith("$") or name[:3].lower() == "ss_") and name not in _VENDOR_NAMES:
        raise Untranslatable("reserved_name", "name")
    return name


def _said(event: Commerce) -> dict[str, Any]:
    """Lay out what a Commerce says, by our own names and without what is not given."""
    found: dict[str, Any] = {"currency": event.currency, "screen_name": event.screen_name}
    if event.product_action is not None:
        found |= msgspec.to_builtins(event.product_action)
    if event.promotion_action is not None:
        found |= msgspec.to_builtins(event.promotion_action)
    if event.impressions:
        found["impressions"] = msgspec.to_builtins(event.impressions)
    if event.cart is not None:
        found["cart"] = msgspec.to_builtins(event.cart)
    return {name: value for name, value in found.items() if value is not None}
