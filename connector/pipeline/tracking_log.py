"""Tracking logs of Open edX as its event bus publishes them: the log's own record -> TrackingLog. Pure."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from connector.errors import Undecodable
from connector.pipeline.conversion import as_millis
from connector.pipeline.reading import parse_json

TRACKING_LOGS = frozenset(
    {
        "org.openedx.analytics.tracking.event.emitted.v1.CloudEvent",
        "org.openedx.analytics.event_tracking.emitted.v1.CloudEvent",
    }
)
"""The record's full name, today's and the former."""


class TrackingLogRule(Struct, frozen=True):
    """Reads one such record.

    Shape: {"tracking_log": {name, timestamp, data, context}}, all text; the last two are JSON text. `data` may be
    anything, as what browsers report is; `context` is an object or null.
    """

    def apply(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Move the record's fields to their places. Raises: Undecodable."""
        log = data.get("tracking_log")
        if not isinstance(log, dict):
            raise Undecodable("bad_field", "tracking_log")
        context = parse_json(log.get("context"), "tracking_log.context")
        if not isinstance(context, dict | None):
            raise Undecodable("bad_json", "tracking_log.context")
        timestamp = log.get("timestamp")
        return {
            "name": log.get("name"),
            "timestamp_ms": as_millis(timestamp),
            "user_id": _user(context.get("user_id") if context else None),
            "log_timestamp": timestamp,
            "log_data": parse_json(log.get("data"), "tracking_log.data"),
            "log_context": context or {},
        }


def _user(value: object) -> str | None:
    """Spell the id for the order alone: what null, empty and 0 mean is for each sink to say."""
    return str(value) if value and isinstance(value, int | str) and not isinstance(value, bool) else None
