"""Events as hits. Pure.

Source: sheet section 13.
"""

from typing import Any
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from connector.domain.events import Context, Event, Page, Screen, Track
from connector.errors import Untranslatable
from connector.sinks.flagship.visitor import Visitor
from connector.sinks.flagship.wire import EventHit, PageHit, ScreenHit

_LONGEST = 500
_LONGEST_LOCATION_BYTES = 2048
_CATEGORIES = {
    "ACTION_TRACKING": "Action Tracking",
    "Action Tracking": "Action Tracking",
    "USER_ENGAGEMENT": "User Engagement",
    "User Engagement": "User Engagement",
}
# The very object that an event without a context holds.
_NONE = Event().context


def envelope(visitor: Visitor, context: Context, *, batched: bool) -> dict[str, Any]:
    """Return what every hit carries. The batched form says null where there is no second id."""
    found: dict[str, Any] = {"vid": visitor.hit_id}
    user_id = visitor.hit_user_id
    if batched or user_id is not None:
        found["cuid"] = user_id
    if context is _NONE:
        return found
    if context.ip is not None:
        found["uip"] = context.ip
    if context.locale is not None:
        found["ul"] = context.locale
    width, height = context.screen.width, context.screen.height
    if width and height and width > 0 and height > 0:
        found["sr"] = f"{width}x{height}"
    session = context.session
    if session.number is not None:
        found["sn"] = session.number
    if session.started_ms is not None:
        found["cst"] = session.started_ms
    return found


def page(event: Page, common: dict[str, Any]) -> PageHit:
    """A page is told by its address, which the vendor refuses where it is none."""
    url = event.context.page.url or event.properties.get("url")
    if not isinstance(url, str) or not url:
        raise Untranslatable("no_address", "context.page.url")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Untranslatable("no_address", "context.page.url") from None
    if not parts.scheme or not parts.netloc or " " in url:
        raise Untranslatable("no_address", "context.page.url")
    return PageHit(dl=_location(url, "context.page.url"), **common)


def screen(event: Screen, common: dict[str, Any]) -> ScreenHit:
    if not event.name:
        raise Untranslatable("no_name", "name")
    return ScreenHit(dl=_location(event.name, "name"), **common)


def track(event: Track, common: dict[str, Any]) -> EventHit:
    """An action; a category the vendor does not know is Action Tracking."""
    return EventHit(
        ec=_CATEGORIES.get(event.category or "", "Action Tracking"),
        ea=required(event.name, "name"),
        el=optional(event.label, "label"),
        ev=whole_number(event.value),
        **common,
    )


def consent(granted: bool, common: dict[str, Any]) -> EventHit:
    """The answer to the question of consent. Source: sheet section 15."""
    return EventHit(ec="User Engagement", ea="fs_consent", el=f"python:{str(granted).lower()}", **common)


def required(text: str | None, field: str) -> str:
    """Return a text that must be there, within the vendor's bound. Units: 500 characters."""
    if not text:
        raise Untranslatable("missing", field)
    return _bounded(text, field)


def optional(text: str | None, field: str) -> str | UnsetType:
    return UNSET if text is None else _bounded(text, field)


def _bounded(text: str, field: str) -> str:
    if len(text) > _LONGEST:
        raise Untranslatable("too_long", field)
    return text


def _location(text: str, field: str) -> str:
    if len(text.encode(errors="surrogatepass")) > _LONGEST_LOCATION_BYTES:
        raise Untranslatable("too_long", field)
    return text


def whole_number(value: float | None) -> int | UnsetType:
    """Return a number as every SDK may send it: a whole one from 0 on. Another is left out, and the hit goes.

    Nobody has shown that the vendor takes fractions. Source: sheet section 20, number 14.
    """
    if value is None or isinstance(value, bool) or not value >= 0 or value != value // 1:
        return UNSET
    return int(value)
