"""The words and forms that the vendor's schema allows. Pure.

Source: the vendor's Inbound Events API Schema (JSON Schema, August 2026), where its documentation (October 2023) says
nothing else. `attribution` and `media_info` are its documentation's and its SDK's.
"""

import re
from typing import TypeVar
from uuid import UUID

from connector.errors import Untranslatable

T = TypeVar("T")

IDENTITIES = frozenset(
    (
        *("other", "customerid", "facebook", "twitter", "google", "microsoft", "yahoo", "email", "alias"),
        "facebook_custom_audience_id",
        *(f"other_id_{number}" for number in range(2, 11)),
        *("mobile_number", "phone_number_2", "phone_number_3"),
    )
)
ENVIRONMENTS = frozenset(("production", "development"))
EVENT_TYPES = frozenset(
    (
        *("navigation", "location", "search", "transaction", "user_content", "user_preference", "social", "other"),
        *("media", "attribution"),
    )
)
PRODUCT_ACTIONS = frozenset(
    (
        *("add_to_cart", "remove_from_cart", "checkout", "checkout_option", "click", "view_detail", "purchase"),
        *("refund", "add_to_wishlist", "remove_from_wish_list"),
    )
)
PROMOTION_ACTIONS = frozenset(("view", "click"))
TRANSITIONS = frozenset(
    (
        *("application_initialized", "application_exit", "application_background", "application_foreground"),
        "launch_referral",
    )
)
PUSH_TYPES = frozenset(("sent", "received", "action"))
APPLICATION_STATES = frozenset(("not_running", "background", "foreground"))
PROFILE_TYPES = frozenset(("signup", "login", "logout", "update", "delete"))
ORIENTATIONS = frozenset(
    (
        *("portrait", "portrait_upside_down", "landscape"),
        *("LandscapeLeft", "LandscapeRight", "FaceUp", "FaceDown", "Square"),
    )
)
TRACKING_STATES = frozenset(("authorized", "denied", "not_determined", "restricted"))
MEDIA_ACTIONS = frozenset(("play", "stop", "update_playback_position", "skip", "rate"))
MEDIA_FORMATS = frozenset(("audio", "video"))
MEDIA_QUALITIES = frozenset(("low", "sd", "medium", "hd", "ultra_hd"))

_PLATFORMS = ("iOS", "Android", "web", "tvOS", "roku", "out_of_band", "alexa", "smart_tv", "fire_tv", "xbox")
_PLATFORM = {name.lower(): name for name in _PLATFORMS}
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def platform_named(text: str) -> str | None:
    """Spell a platform as the vendor does, whose case matters; None for what it does not know."""
    return _PLATFORM.get(text.lower())


def platform(text: str | None) -> str | None:
    """Return a platform as the vendor spells it. Raises: Untranslatable."""
    if text is None:
        return None
    return platform_named(text) or word(text, frozenset(), "platform")


def word(text: str | None, allowed: frozenset[str], field: str) -> str | None:
    """Return a word of a closed list, or None. Raises: Untranslatable."""
    if text is None or text in allowed:
        return text
    raise Untranslatable("unknown_value", field)


def uuid(text: str | None, field: str) -> str | None:
    """Return a UUID with its hyphens, which some write without. Raises: Untranslatable."""
    if text is None or _UUID.fullmatch(text):
        return text
    try:
        return str(UUID(text))
    except ValueError:
        raise Untranslatable("not_a_uuid", field) from None


def whole(value: object, field: str) -> int:
    """Return a whole number, which may come as text. Raises: Untranslatable."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        return int(value)
    raise Untranslatable("not_a_number", field)


def required(value: T | None, field: str) -> T:
    """Return what the vendor's schema asks for. Raises: Untranslatable, where it is not there."""
    if value is None:
        raise Untranslatable("missing", field)
    return value
