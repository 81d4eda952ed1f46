"""Events to messages of the batch endpoint. Pure."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from connector.domain.events import Alias, Event, Group, Identify, Page, Screen, Track
from connector.domain.ids import fitted_id
from connector.errors import Untranslatable
from connector.sinks.contract import Payload, Payloads, Scene, Skip, Translation
from connector.sinks.encoding import encoded
from connector.sinks.segment.context import segment_context
from connector.sinks.segment.messages import AliasMessage, GroupMessage, IdentifyMessage, TrackMessage, ViewMessage
from connector.sinks.segment.timestamp import iso

# Source: segment.com/docs, "Spec: Common Fields", read 2025-11-07.
_LONGEST_ID = 100
_OTHER_KIND = Skip("kind")


def translate(event: Event, scene: Scene) -> Translation:
    """Make the one message of an event; other kinds are skipped.

    Raises: Untranslatable, for what the vendor answers with a 200 and then drops.
    Source: segment.com/docs, "HTTP API" and "Spec", read 2025-11-07; segment-analytics-python 2.4.0.
    """
    ident = fitted_id(event.message_id or scene.record_id, longest=_LONGEST_ID)
    try:
        at = iso(scene.now_ms if event.timestamp_ms is None else event.timestamp_ms)
    except OverflowError:
        raise Untranslatable("no_date", "timestamp") from None
    message = _message(event, ident, at)
    if message is None:
        return _OTHER_KIND
    return Payloads((Payload("batch", encoded(message), ident),))


def _message(event: Event, ident: str, at: str) -> Struct | None:
    match event:
        case Track():
            return _track(event, ident, at)
        case Page():
            return _view(event, ident, at, "page")
        case Screen():
            return _view(event, ident, at, "screen")
        case Identify():
            return _identify(event, ident, at)
        case Group():
            return _group(event, ident, at)
        case Alias():
            return _alias(event, ident, at)
    return None


def _track(event: Track, ident: str, at: str) -> TrackMessage:
    _require_identity(event)
    if not event.name:
        raise Untranslatable("no_name", "name")
    return TrackMessage(
        event.integrations,
        event.anonymous_id,
        _track_properties(event),
        at,
        segment_context(event.context),
        event.user_id,
        "track",
        event.name,
        ident,
    )


def _view(event: Page | Screen, ident: str, at: str, kind: str) -> ViewMessage:
    _require_identity(event)
    return ViewMessage(
        event.integrations,
        event.anonymous_id,
        event.properties,
        at,
        event.category,
        segment_context(event.context),
        event.user_id,
        kind,
        event.name,
        ident,
    )


def _identify(event: Identify, ident: str, at: str) -> IdentifyMessage:
    _require_identity(event)
    traits = event.traits
    if event.removed_traits:
        # A trait is removed by null: segment.com/docs, "Unify FAQs", read 2025-11-07.
        traits = {**dict.fromkeys(event.removed_traits), **traits}
    context = segment_context(event.context)
    return IdentifyMessage(
        event.integrations, event.anonymous_id, at, context, "identify", event.user_id, traits, ident
    )


def _group(event: Group, ident: str, at: str) -> GroupMessage:
    _require_identity(event)
    if event.group_id == "":
        raise Untranslatable("no_group", "group_id")
    return GroupMessage(
        event.integrations,
        event.anonymous_id,
        at,
        event.group_id,
        segment_context(event.context),
        event.user_id,
        event.traits,
        "group",
        ident,
    )


def _alias(event: Alias, ident: str, at: str) -> AliasMessage:
    if event.previous_id == "":
        raise Untranslatable("no_previous_id", "previous_id")
    if not event.user_id:
        raise Untranslatable("no_identity", "user_id")
    context = segment_context(event.context)
    return AliasMessage(event.integrations, event.previous_id, at, context, event.user_id, "alias", ident)


def _require_identity(event: Event) -> None:
    if not (event.user_id or event.anonymous_id):
        raise Untranslatable("no_identity", "user_id")


def _track_properties(event: Track) -> Mapping[str, Any]:
    """Add what hit-based destinations look for among the properties, where the event says it elsewhere."""
    if event.category is None and event.label is None and event.value is None:
        return event.properties
    said = {"category": event.category, "label": event.label, "value": event.value}
    return {**{name: value for name, value in said.items() if value is not None}, **event.properties}
