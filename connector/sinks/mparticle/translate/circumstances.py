"""What every event's `data` may carry, and the wrapper around it. Pure.

Source: mparticle Python SDK 0.16.1 for names and order; the rest of the location and the session's start by the
vendor's schema.
"""

from typing import Any

from msgspec import Struct

from connector.domain.events import DeviceState, Event, Location
from connector.sinks.encoding import encoded
from connector.sinks.mparticle.bounds import Attributes, Bounds
from connector.sinks.mparticle.vocabulary import ORIENTATIONS, uuid, whole, word

_NONE = Event().context


class GeoLocation(Struct, frozen=True, omit_defaults=True):
    latitude: float
    longitude: float
    accuracy: float | None = None
    country_code: str | None = None
    region_code: str | None = None
    city_name: str | None = None
    postal_code: str | None = None


class EventData(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The part common to all types; each type adds its own fields behind it."""

    timestamp_unixtime_ms: int | None = None
    event_id: int | None = None
    source_message_id: str | None = None
    session_id: int | None = None
    session_uuid: str | None = None
    session_start_unixtime_ms: int | None = None
    custom_attributes: Attributes | None = None
    location: GeoLocation | None = None
    device_current_state: DeviceState | None = None


class Wrapped(Struct, frozen=True):
    data: EventData
    event_type: str


def wrapped(data: EventData, event_type: str) -> bytes:
    return encoded(Wrapped(data, event_type))


def common(event: Event, ident: str | None, attributes: Attributes, bounds: Bounds) -> dict[str, Any]:
    """Return the common fields of an event, by their names on the wire. Raises: Untranslatable."""
    fields: dict[str, Any] = {
        "timestamp_unixtime_ms": event.timestamp_ms,
        "source_message_id": ident,
        "custom_attributes": bounds.attributes(attributes, "custom_attributes"),
    }
    context = event.context
    if context is _NONE:
        return fields
    session = context.session
    if session is not _NONE.session:
        fields["session_id"] = session.id
        fields["session_uuid"] = uuid(session.uuid, "session_uuid")
        fields["session_start_unixtime_ms"] = session.started_ms
    if context.location is not _NONE.location:
        fields["location"] = _location(context.location)
    if context.device_state != _NONE.device_state:
        fields["device_current_state"] = _state(context.device_state)
    if "event_id" in context.extra:
        fields["event_id"] = whole(context.extra["event_id"], "event_id")
    return fields


def _location(place: Location) -> GeoLocation | None:
    """Return the place; without both of its coordinates the vendor's schema does not allow it."""
    if place.latitude is None or place.longitude is None:
        return None
    return GeoLocation(
        place.latitude, place.longitude, place.accuracy_m, place.country, place.region, place.city, place.postal_code
    )


def _state(state: DeviceState) -> DeviceState:
    """Check the state, whose fields go by the vendor's names already. Raises: Untranslatable."""
    word(state.device_orientation, ORIENTATIONS, "device_orientation")
    word(state.status_bar_orientation, ORIENTATIONS, "status_bar_orientation")
    return state
