"""What a user permits: ConsentChange, OptOut. Pure."""

from collections.abc import Mapping
from typing import Any, ClassVar

from connector.domain.events.event import Event


class ConsentChange(Event, frozen=True, kw_only=True):
    """A user agreed or refused: the new state of each purpose is the event's own `consent`.

    `granted` is the answer as a whole, for vendors that know no purposes.
    """

    kind_name: ClassVar[str | None] = "consent_change"
    about_consent: ClassVar[bool] = True

    granted: bool | None = None


class OptOut(Event, frozen=True, kw_only=True):
    """A user asked not to be tracked at all, or took that back."""

    kind_name: ClassVar[str | None] = "opt_out"
    about_consent: ClassVar[bool] = True

    opted_out: bool
    properties: Mapping[str, Any] = {}
