"""What a user did: Track, Page, Screen. Pure."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from connector.domain.events.attachment import Attachment
from connector.domain.events.event import Event


class Media(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was playing; `rate` 1 is normal speed, `position` in the player's own unit."""

    action: str | None = None
    channel: str | None = None
    metadata: str | None = None
    timed_metadata: str | None = None
    position: float | None = None
    format: str | None = None
    quality: str | None = None
    rate: float | None = None


class Track(Event, frozen=True, kw_only=True):
    """An action with a name.

    `category`, `label` and `value` are what hit-based vendors sort by; `flags` are for the vendor, not for reports.
    `lifetime_value` is what the action adds to the user's worth; `attachments` are files for a message it sets off.
    """

    name: str
    category: str | None = None
    label: str | None = None
    value: float | int | None = None
    lifetime_value: float | int | None = None
    idempotency_key: str | None = None
    media: Media = Media()
    attachments: tuple[Attachment, ...] = ()
    properties: Mapping[str, Any] = {}
    flags: Mapping[str, Any] = {}

    @property
    def event_name(self) -> str:
        return self.name


class Page(Event, frozen=True, kw_only=True):
    """A web page seen; its address is `context.page`."""

    name: str | None = None
    category: str | None = None
    properties: Mapping[str, Any] = {}
    flags: Mapping[str, Any] = {}

    @property
    def event_name(self) -> str | None:
        return self.name


class Screen(Event, frozen=True, kw_only=True):
    """A screen of an app seen; `activity` is its lifecycle step where the platform names one."""

    name: str | None = None
    category: str | None = None
    activity: str | None = None
    properties: Mapping[str, Any] = {}
    flags: Mapping[str, Any] = {}

    @property
    def event_name(self) -> str | None:
        return self.name
