"""Open edX: TrackingLog. Pure."""

from collections.abc import Mapping
from typing import Any, ClassVar

from connector.domain.events.event import Event


class TrackingLog(Event, frozen=True, kw_only=True):
    """An entry of the tracking log of Open edX, as it was logged.

    `log_context["user_id"]` is whoever it was about, as logged: a number, text, null or missing.
    `log_timestamp` is the time as it was written; `timestamp_ms` the same, read.
    """

    ordered_by_user: ClassVar[bool] = True

    name: str
    log_timestamp: str | None = None
    log_data: Any = None
    log_context: Mapping[str, Any] = {}

    @property
    def event_name(self) -> str:
        return self.name
