"""What every event carries. Pure."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True):
    """The part common to all kinds.

    Units: `timestamp_ms` since the epoch. `sinks` name -> False where this event must not go.
    """

    message_id: str | None = None
    timestamp_ms: int | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    identities: Mapping[str, str] = {}
    environment: str | None = None
    sinks: Mapping[str, bool] = {}
    context: Mapping[str, Any] = {}

    @property
    def event_name(self) -> str | None:
        """The name that allow and deny patterns look at; None where the kind has none."""
        return None
