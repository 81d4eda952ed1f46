"""What a user did or saw, as custom events and screen views. Pure.

Source: mparticle Python SDK 0.16.1 for names, order and the shape of attribution and life-time value.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from connector.domain.events import Attribution, Exposure, Media, Page, Screen, Track, TrackingLog
from connector.sinks.mparticle.bounds import Attributes, Bounds, scalars
from connector.sinks.mparticle.translate.circumstances import EventData, common, wrapped
from connector.sinks.mparticle.vocabulary import (
    EVENT_TYPES,
    MEDIA_ACTIONS,
    MEDIA_FORMATS,
    MEDIA_QUALITIES,
    required,
    word,
)

_NO_MEDIA = Media()


class MediaInfo(Struct, frozen=True, omit_defaults=True):
    action: str | None = None
    channel: str | None = None
    metadata: str | None = None
    timed_metadata: str | None = None
    playback_position: float | None = None
    format: str | None = None
    quality: str | None = None
    playback_rate: float | None = None


class CustomEvent(EventData, frozen=True, kw_only=True, omit_defaults=True):
    custom_event_type: str
    event_name: str
    media_info: MediaInfo | None = None
    custom_flags: Attributes | None = None


class ScreenView(EventData, frozen=True, kw_only=True, omit_defaults=True):
    screen_name: str
    activity_type: str | None = None
    custom_flags: Attributes | None = None


class Behaviour(Struct, frozen=True):
    """`other_categories`: a category that is no type of the vendor's becomes type `other` and an attribute."""

    bounds: Bounds
    other_categories: bool

    def custom(self, event: Track, ident: str) -> bytes:
        kind, said = self._kind(event)
        if event.lifetime_value is not None:
            said = {**said, "$Amount": event.lifetime_value, "MethodName": "LogLTVIncrease"}
        return wrapped(
            CustomEvent(
                **common(event, ident, said, self.bounds),
                custom_event_type=kind,
                event_name=self.bounds.name(event.name, "event_name"),
                media_info=None if event.media == _NO_MEDIA else _media(event.media),
                custom_flags=scalars(event.flags, "custom_flags"),
            ),
            "custom_event",
        )

    def screen(self, event: Page | Screen, ident: str) -> bytes:
        name = event.name
        if name is None and isinstance(event, Page):
            name = event.context.page.title
        said = event.properties
        if event.category is not None:
            said = {"category": event.category, **said}
        return wrapped(
            ScreenView(
                **common(event, ident, said, self.bounds),
                screen_name=self.bounds.name(required(name, "screen_name"), "screen_name"),
                activity_type=event.activity if isinstance(event, Screen) else None,
                custom_flags=scalars(event.flags, "custom_flags"),
            ),
            "screen_view",
        )

    def attribution(self, event: Attribution, ident: str) -> bytes:
        """Both halves of an install's attribution are there, null where unknown; its removal is an action."""
        said: dict[str, Any] = {"action": "delete"}
        if not event.removed:
            said = {"campaign": event.campaign, "publisher": event.publisher}
        return self._plain(event, ident, "attribution", {**said, **event.properties}, "attribution")

    def exposure(self, event: Exposure, ident: str) -> bytes:
        said = {
            "flag": event.flag,
            "experiment_id": event.experiment_id,
            "experiment_name": event.experiment_name,
            "variation_group_id": event.variation_group_id,
            "variation_id": event.variation_id,
            "variation_name": event.variation_name,
        }
        known = {name: value for name, value in said.items() if value is not None}
        return self._plain(event, ident, "Experiment Viewed", {**known, **event.properties})

    def tracking_log(self, event: TrackingLog, ident: str) -> bytes:
        data = event.log_data if isinstance(event.log_data, Mapping) else {"data": event.log_data}
        return self._plain(event, ident, event.name, {name: _scalar(value) for name, value in data.items()})

    def _plain(
        self, event: Attribution | Exposure | TrackingLog, ident: str, name: str, said: Attributes, kind: str = "other"
    ) -> bytes:
        fields = common(event, ident, said, self.bounds)
        name = self.bounds.name(name, "event_name")
        return wrapped(CustomEvent(**fields, custom_event_type=kind, event_name=name), "custom_event")

    def _kind(self, event: Track) -> tuple[str, Attributes]:
        """Return the vendor's type of an action, and its attributes with what has no field of its own."""
        kind, category = event.category or "other", None
        if self.other_categories and kind not in EVENT_TYPES:
            kind, category = "other", event.category
        word(kind, EVENT_TYPES, "custom_event_type")
        if category is None and event.label is None and event.value is None:
            return kind, event.properties
        said = {"category": category, "label": event.label, "value": event.value}
        return kind, {**{name: value for name, value in said.items() if value is not None}, **event.properties}


def _media(media: Media) -> MediaInfo:
    return MediaInfo(
        word(media.action, MEDIA_ACTIONS, "media_info.action"),
        media.channel,
        media.metadata,
        media.timed_metadata,
        media.position,
        word(media.format, MEDIA_FORMATS, "media_info.format"),
        word(media.quality, MEDIA_QUALITIES, "media_info.quality"),
        media.rate,
    )


def _scalar(value: object) -> object:
    """Write as JSON text what is no scalar: attributes do not nest."""
    return value if value is None or isinstance(value, str | int | float) else msgspec.json.encode(value).decode()
