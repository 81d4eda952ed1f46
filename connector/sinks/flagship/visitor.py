"""Whom an event is about, and what is known of them: ids and context. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from connector.domain.events import Context, Event, Identify, ProfileEdit
from connector.errors import Untranslatable
from connector.sinks.flagship.rules import PYTHON_2_1, PYTHON_3_0, Scalar

# Our field, and the vendor's key for it. Source: sheet section 3.
_FIELDS = (
    (("locale",), "sdk_deviceLanguage"),
    (("device", "type"), "sdk_deviceType"),
    (("device", "model"), "sdk_deviceModel"),
    (("location", "city"), "sdk_city"),
    (("location", "region"), "sdk_region"),
    (("location", "country"), "sdk_country"),
    (("location", "latitude"), "sdk_lat"),
    (("location", "longitude"), "sdk_long"),
    (("ip",), "sdk_ip"),
    (("os", "name"), "sdk_osName"),
    (("os", "version"), "sdk_osVersion"),
    (("os", "api_level"), "sdk_apiLevel"),
    (("network", "carrier"), "sdk_carrierName"),
    (("network", "connection"), "sdk_internetConnection"),
    (("app", "version"), "sdk_versionName"),
    (("app", "version_code"), "sdk_versionCode"),
)
_RENAMED_IN_3 = {"sdk_osVersion": "sdk_osVersionName"}
# The very object that an event without a context holds.
_NONE = Event().context


class Visitor(Struct, frozen=True):
    """`anonymous_id` is there once the visitor has logged in. Source: sheet section 2."""

    id: str
    anonymous_id: str | None = None

    @property
    def hit_id(self) -> str:
        """A hit is told by the anonymous id, where there is one."""
        return self.anonymous_id or self.id

    @property
    def hit_user_id(self) -> str | None:
        return self.id if self.anonymous_id else None


def visitor_of(event: Event) -> Visitor:
    """Return whom an event is about: a user known by both ids has logged in. Raises: Untranslatable."""
    user_id, anonymous_id = event.user_id, event.anonymous_id
    if user_id:
        return Visitor(user_id, anonymous_id if anonymous_id and anonymous_id != user_id else None)
    if anonymous_id:
        return Visitor(anonymous_id)
    raise Untranslatable("no_identity", "user_id")


class Change(Struct, frozen=True):
    """What an event says of a visitor's context: its own part, and what goes."""

    own: Mapping[str, Any] = {}
    removed: frozenset[str] = frozenset()


def change_of(event: Event) -> Change | None:
    """Return what an event changes of a context, None where it is none that does.

    Attributes are set and unset in order; the other operations on a profile are nothing a context knows.
    """
    if isinstance(event, Identify):
        return Change(event.traits, frozenset(event.removed_traits) - event.traits.keys())
    if not isinstance(event, ProfileEdit):
        return None
    own: dict[str, Any] = {}
    removed: set[str] = set()
    for operation in event.operations:
        if operation.op == "set":
            own.update(operation.properties)
            removed.difference_update(operation.properties)
        elif operation.op == "unset":
            removed.update(operation.keys)
            for key in operation.keys:
                own.pop(key, None)
    return Change(own, frozenset(removed)) if own or removed else None


def scalars(values: Mapping[str, Any]) -> dict[str, Scalar]:
    """Keep what a context takes: text, truth and numbers under a name; the rest is left out, as the SDKs do."""
    return {key: value for key, value in values.items() if key and isinstance(value, str | bool | int | float)}


def circumstances(context: Context, *, batched: bool) -> dict[str, Scalar]:
    """Return what the event says of the visitor's device and place, under the vendor's predefined keys."""
    if context is _NONE:
        return {}
    found: dict[str, Scalar] = {}
    for path, key in _FIELDS:
        value: Any = context
        for part in path:
            value = getattr(value, part)
        if value is not None:
            found[_RENAMED_IN_3.get(key, key) if batched else key] = value
    return found


def sent_context(context: Mapping[str, Scalar], *, batched: bool) -> dict[str, Scalar]:
    """Return a context as it travels: behind the SDK's own keys; the older SDK keeps those of `fs_` to itself."""
    if batched:
        return {**PYTHON_3_0.presets, **_without(context, PYTHON_3_0.presets)}
    return {key: value for key, value in {**PYTHON_2_1.presets, **context}.items() if not key.startswith("fs_")}


def as_text(context: Mapping[str, Scalar]) -> dict[str, str]:
    """Return a context with every value as text, truth in lower case. Source: sheet section 20, number 12."""
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in context.items()}


def _without(context: Mapping[str, Scalar], keys: Iterable[str]) -> Mapping[str, Scalar]:
    # Nobody may set these two. Source: sheet section 3.
    return {key: value for key, value in context.items() if key not in keys}
