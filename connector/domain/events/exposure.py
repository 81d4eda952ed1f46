"""What an experiment showed: Exposure. Pure."""

from collections.abc import Mapping
from typing import Any

from connector.domain.events.event import Event


class Exposure(Event, frozen=True, kw_only=True):
    """A user met a variation: one that the vendor decides on by `flag`, or one that was decided already, by its ids.

    Attributes to decide by are `context.traits`.
    """

    flag: str | None = None
    variation_group_id: str | None = None
    variation_id: str | None = None
    variation_name: str | None = None
    experiment_id: str | None = None
    experiment_name: str | None = None
    properties: Mapping[str, Any] = {}

    @property
    def event_name(self) -> str:
        """The flag's key, else `exposure`."""
        return self.flag or "exposure"
