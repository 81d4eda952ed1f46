"""An event's circumstances under Segment's names. Pure."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import msgspec

from connector import __version__
from connector.domain.events import Context, Event

LIBRARY = msgspec.Raw(msgspec.json.encode({"name": "kafka-vendor-connector", "version": __version__}))
_NOTHING_ELSE = msgspec.Raw(msgspec.json.encode({"library": LIBRARY}))
# The very object that an event without a context holds.
_NONE = Event().context

_Names = tuple[tuple[str, str], ...]
# Our field, Segment's key, and the same for the fields within; () where both call them alike.
# Source: segment.com/docs, "Spec: Common Fields", read 2025-11-07; `location` by its earlier editions.
_FIELDS: tuple[tuple[str, str, _Names], ...] = (
    ("active", "active", ()),
    ("app", "app", (("name", "name"), ("version", "version"), ("build", "build"), ("namespace", "namespace"))),
    ("campaign", "campaign", ()),
    ("channel", "channel", ()),
    (
        "device",
        "device",
        (
            ("id", "id"),
            ("ios_advertising_id", "advertisingId"),
            ("android_advertising_id", "advertisingId"),
            ("advertising_id", "advertisingId"),
            ("ad_tracking_enabled", "adTrackingEnabled"),
            ("manufacturer", "manufacturer"),
            ("model", "model"),
            ("name", "name"),
            ("type", "type"),
            ("token", "token"),
        ),
    ),
    ("ip", "ip", ()),
    ("locale", "locale", ()),
    (
        "location",
        "location",
        (
            ("city", "city"),
            ("country", "country"),
            ("region", "region"),
            ("latitude", "latitude"),
            ("longitude", "longitude"),
        ),
    ),
    (
        "network",
        "network",
        (("bluetooth", "bluetooth"), ("carrier", "carrier"), ("cellular", "cellular"), ("wifi", "wifi")),
    ),
    ("os", "os", (("name", "name"), ("version", "version"))),
    ("page", "page", ()),
    ("referrer", "referrer", ()),
    ("screen", "screen", (("width", "width"), ("height", "height"), ("density", "density"))),
    ("group_id", "groupId", ()),
    ("timezone", "timezone", ()),
    ("traits", "traits", ()),
    ("user_agent", "userAgent", ()),
)
# Read in one call: most of a context is not there, and seventeen look-ups are a quarter of a translation.
_read = attrgetter(*(field for field, _, _ in _FIELDS))
_PLAN = tuple((key, names) for _, key, names in _FIELDS)
_DEFAULTS = _read(_NONE)


def segment_context(context: Context) -> msgspec.Raw | Mapping[str, Any]:
    """Return what is known under Segment's keys, then `extra`, then `library` naming us.

    A `library` in `extra` is replaced in its place, as the official library does.
    """
    if context is _NONE:
        return _NOTHING_ELSE
    found: dict[str, Any] = {}
    for value, default, (key, names) in zip(_read(context), _DEFAULTS, _PLAN, strict=True):
        if value is default or value == default:
            continue
        if names:
            value = _renamed(value, names)
        if value != {}:
            found[key] = value
    found.update(context.extra)
    found["library"] = LIBRARY
    return found


def _renamed(part: msgspec.Struct, names: _Names) -> dict[str, Any]:
    return {key: value for field, key in names if (value := getattr(part, field)) is not None}
