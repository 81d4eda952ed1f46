"""Messages a vendor is asked to send: Workflow and its parts. Pure."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from connector.domain.events.attachment import Attachment
from connector.domain.events.event import Event


class PushToken(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device that takes push notifications; `provider` is the push service, such as fcm."""

    token: str
    provider: str | None = None
    device_id: str | None = None
    bundle_id: str | None = None


class Recipient(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody a message goes to, and what they are reached by.

    `channels`      the only channels to use, by the vendor's names; None for no such wish.
    `is_transient`  the vendor keeps no profile of them.
    `properties`    anything else by the vendor's own names, which win over the fields here.
    """

    user_id: str | None = None
    is_transient: bool | None = None
    preferred_language: str | None = None
    timezone: str | None = None
    locale: str | None = None
    channels: tuple[str, ...] | None = None
    email: tuple[str, ...] = ()
    sms: tuple[str, ...] = ()
    whatsapp: tuple[str, ...] = ()
    inbox: tuple[str, ...] = ()
    messenger: tuple[str, ...] = ()
    androidpush: tuple[str | PushToken, ...] = ()
    iospush: tuple[str | PushToken, ...] = ()
    webpush: tuple[Mapping[str, Any], ...] = ()
    slack: tuple[Mapping[str, Any], ...] = ()
    ms_teams: tuple[Mapping[str, Any], ...] = ()
    properties: Mapping[str, Any] = {}


class DeliveryInstruction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a message is to reach its recipient.

    `smart`         one channel after another until `success`: delivered, seen, interaction or an event's name.
    `time_to_live`  how long that may take, as 1h30m.
    `mandatory_channels`  those used in any case; None for no such wish.
    """

    smart: bool | None = None
    success: str | None = None
    time_to_live: str | None = None
    mandatory_channels: tuple[str, ...] | None = None


class Workflow(Event, frozen=True, kw_only=True):
    """A workflow to run: one the vendor knows by `slug`, or one described by `name`, `template` and `category`.

    `recipients`, `actor`  user ids, or records of whom and how to reach; the event's own user is neither.
    `delay`       seconds, or a duration such as 1d2h; `trigger_at` a moment in ISO 8601.
    `extra`       anything else by the vendor's own names, which win over the fields here.
    The tenant and brand are those of the context.
    """

    slug: str | None = None
    name: str | None = None
    template: str | None = None
    category: str | None = None
    recipients: tuple[str | Recipient, ...] = ()
    actor: str | Recipient | None = None
    delivery: DeliveryInstruction | None = None
    delay: float | int | str | None = None
    trigger_at: str | None = None
    cancellation_key: str | None = None
    idempotency_key: str | None = None
    attachments: tuple[Attachment, ...] = ()
    data: Mapping[str, Any] = {}
    metadata: Mapping[str, Any] = {}
    extra: Mapping[str, Any] = {}

    @property
    def event_name(self) -> str | None:
        """The slug, else the name."""
        return self.slug or self.name
