"""What every event carries. Pure."""

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct

from connector.domain.events.consent import Consent
from connector.domain.events.context import Context


class Event(Struct, frozen=True, kw_only=True):
    """The part common to all kinds.

    Units: `timestamp_ms` since the epoch, within the years 1 to 9999.
    `sinks`         name -> False where this event must not go.
    `identities`    what else the user is known by: email, phone_number, a vendor's own id.
    `integrations`  options for a vendor that fans out to others, by its own names.
    `consent`       purpose -> state.
    `kind_name`     what a kind without a name of its own goes by, in patterns.
    `about_consent`    the event says what the user agreed to, so it goes where consent is asked for.
    `ordered_by_user`  its record's key does not say whose it is, so the user comes first.
    """

    kind_name: ClassVar[str | None] = None
    about_consent: ClassVar[bool] = False
    ordered_by_user: ClassVar[bool] = False

    message_id: str | None = None
    timestamp_ms: int | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    identities: Mapping[str, str] = {}
    environment: str | None = None
    sinks: Mapping[str, bool] = {}
    integrations: Mapping[str, Any] = {}
    consent: Mapping[str, Consent] = {}
    context: Context = Context()

    @property
    def event_name(self) -> str | None:
        """The name that allow and deny patterns look at; None where the kind has none."""
        return self.kind_name
