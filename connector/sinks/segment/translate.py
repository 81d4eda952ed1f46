"""Events to messages of the batch endpoint. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from connector.domain.events import (
    Alias,
    AppState,
    Commerce,
    Event,
    Exposure,
    Group,
    Identify,
    Page,
    ProfileEdit,
    Screen,
    Track,
    TrackingLog,
)
from connector.domain.ids import fitted_id, role_id
from connector.errors import Untranslatable
from connector.sinks.contract import Payload, Payloads, Scene, Skip, Translation
from connector.sinks.encoding import encoded
from connector.sinks.segment.application import lifecycle
from connector.sinks.segment.commerce import tracks
from connector.sinks.segment.context import segment_context
from connector.sinks.segment.messages import AliasMessage, GroupMessage, IdentifyMessage, TrackMessage, ViewMessage
from connector.sinks.segment.timestamp import iso
from connector.sinks.segment.tracking_log import browser_context, log_properties, log_user

# Source: segment.com/docs, "Spec: Common Fields", read 2025-11-07.
_LONGEST_ID = 100
_OTHER_KIND = Skip("kind")
_NOBODY = Skip("no_user")
# Source: segment.com/docs, "Spec: A/B Testing Events", read 2025-11-25; what it has no name for keeps ours.
_EXPERIMENT = ("experiment_id", "experiment_name", "variation_id", "variation_name", "flag", "variation_group_id")


def translate(event: Event, scene: Scene) -> Translation:
    """Make the message of an event, or those of an action on several goods; other kinds are skipped.

    Raises: Untranslatable, for what the vendor answers with a 200 and then drops.
    Source: segment.com/docs, "HTTP API" and "Spec", read 2025-11-07; segment-analytics-python 2.4.0.
    """
    ident = fitted_id(event.message_id or scene.record_id, longest=_LONGEST_ID)
    try:
        at = iso(scene.now_ms if event.timestamp_ms is None else event.timestamp_ms)
    except OverflowError:
        raise Untranslatable("no_date", "timestamp") from None
    make = _MAKERS.get(type(event))
    if make is None:
        return _commerce(event, ident, at) if isinstance(event, Commerce) else _OTHER_KIND
    message = make(event, ident, at)
    if isinstance(message, Skip):
        return message
    return Payloads((Payload("batch", encoded(message), ident),))


def _commerce(event: Commerce, ident: str, at: str) -> Translation:
    payloads = []
    for one in tracks(event):
        own = role_id(ident, one.role)
        message = _named(event, own, at, one.name, one.properties)
        payloads.append(Payload("batch", encoded(message), own, role=one.role))
    return Payloads(tuple(payloads)) if payloads else _OTHER_KIND


def _track(event: Track, ident: str, at: str) -> TrackMessage:
    message = _named(event, ident, at, event.name, _track_properties(event))
    if not event.name:
        raise Untranslatable("no_name", "name")
    return message


def _named(event: Event, ident: str, at: str, name: str, properties: Mapping[str, Any]) -> TrackMessage:
    _require_identity(event)
    context = segment_context(event.context)
    return TrackMessage(
        event.integrations, event.anonymous_id, properties, at, context, event.user_id, "track", name, ident
    )


def _app_state(event: AppState, ident: str, at: str) -> TrackMessage | Skip:
    named = lifecycle(event)
    return _named(event, ident, at, *named) if named else _OTHER_KIND


def _exposure(event: Exposure, ident: str, at: str) -> TrackMessage:
    said = {name: value for name in _EXPERIMENT if (value := getattr(event, name)) is not None}
    return _named(event, ident, at, "Experiment Viewed", {**said, **event.properties})


def _log(event: TrackingLog, ident: str, at: str) -> TrackMessage | Skip:
    user = log_user(event)
    if user is None:
        return _NOBODY
    context = browser_context(event)
    return TrackMessage(event.integrations, None, log_properties(event), at, context, user, "track", event.name, ident)


def _view(event: Page | Screen, ident: str, at: str) -> ViewMessage:
    _require_identity(event)
    kind = "page" if isinstance(event, Page) else "screen"
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
    traits = event.traits
    if event.removed_traits:
        # A trait is removed by null: segment.com/docs, "Unify FAQs", read 2025-11-07.
        traits = {**dict.fromkeys(event.removed_traits), **traits}
    return _traits(event, ident, at, traits)


def _edit(event: ProfileEdit, ident: str, at: str) -> IdentifyMessage | Skip:
    """Take what the operations set and unset, in their order; Segment can do nothing else with a trait."""
    traits: dict[str, Any] = {}
    for one in event.operations:
        if one.op == "set":
            traits.update(one.properties)
        elif one.op == "unset":
            traits.update(dict.fromkeys(one.keys))
    return _traits(event, ident, at, traits) if traits else _OTHER_KIND


def _traits(event: Event, ident: str, at: str, traits: Mapping[str, Any]) -> IdentifyMessage:
    _require_identity(event)
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


_MAKERS: Mapping[type[Event], Callable[[Any, str, str], Struct | Skip]] = {
    Track: _track,
    Page: _view,
    Screen: _view,
    Identify: _identify,
    ProfileEdit: _edit,
    Group: _group,
    Alias: _alias,
    AppState: _app_state,
    Exposure: _exposure,
    TrackingLog: _log,
}
