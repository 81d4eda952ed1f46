"""What an event happened on, under mParticle's names: device_info, application_info. Pure.

Source: mparticle Python SDK 0.16.1 for the names; `limit_ad_tracking` and `application_build_number` by the vendor's
schema alone.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from msgspec import Struct

from connector.domain.events import Context, Event
from connector.sinks.mparticle.vocabulary import TRACKING_STATES, platform, platform_named, uuid, word

# The very object that an event without a context holds.
_NONE = Event().context

# Part of our context, then our field and the vendor's.
_DEVICE: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "device",
        (
            ("brand", "brand"),
            ("product", "product"),
            ("name", "device"),
            ("android_uuid", "android_uuid"),
            ("manufacturer", "device_manufacturer"),
            ("platform", "platform"),
            ("model", "device_model"),
            ("country", "device_country"),
            ("build", "build_identifier"),
            ("ios_advertising_id", "ios_advertising_id"),
            ("token", "push_token"),
            ("cpu_architecture", "cpu_architecture"),
            ("is_tablet", "is_tablet"),
            ("push_sound_enabled", "push_notification_sound_enabled"),
            ("push_vibrate_enabled", "push_notification_vibrate_enabled"),
            ("radio_access_technology", "radio_access_technology"),
            ("supports_telephony", "supports_telephony"),
            ("has_nfc", "has_nfc"),
            ("bluetooth_enabled", "bluetooth_enabled"),
            ("bluetooth_version", "bluetooth_version"),
            ("amp_id", "amp_id"),
            ("roku_advertising_id", "roku_advertising_id"),
            ("roku_publisher_id", "roku_publisher_id"),
            ("microsoft_advertising_id", "microsoft_advertising_id"),
            ("microsoft_publisher_id", "microsoft_publisher_id"),
            ("fire_advertising_id", "fire_advertising_id"),
            ("att_timestamp_ms", "att_timestamp_unixtime_ms"),
            ("att_status", "att_authorization_status"),
            ("ios_idfv", "ios_idfv"),
            ("android_advertising_id", "android_advertising_id"),
        ),
    ),
    ("screen", (("height", "screen_height"), ("width", "screen_width"), ("dpi", "screen_dpi"))),
    (
        "network",
        (
            ("country", "network_country"),
            ("carrier", "network_carrier"),
            ("code", "network_code"),
            ("mobile_country_code", "network_mobile_country_code"),
        ),
    ),
)
_Copy = tuple[Callable[[Struct], tuple[Any, ...]], tuple[str, ...]]


def _copying(fields: tuple[tuple[str, str], ...]) -> _Copy:
    """Return what reads our fields at once, and the names they go by."""
    ours, theirs = zip(*fields, strict=True)
    return attrgetter(*ours), theirs


_DEVICE_PARTS = tuple((part, _copying(fields), getattr(_NONE, part)) for part, fields in _DEVICE)
_APPLICATION = _copying(
    (
        ("name", "application_name"),
        ("version", "application_version"),
        ("install_referrer", "install_referrer"),
        ("namespace", "package"),
        ("build", "application_build_number"),
    )
)
_UUIDS = (
    "ios_advertising_id",
    "roku_advertising_id",
    "roku_publisher_id",
    "fire_advertising_id",
    "ios_idfv",
    "android_advertising_id",
)
_ADVERTISING_IDS = {
    "iOS": "ios_advertising_id",
    "tvOS": "ios_advertising_id",
    "Android": "android_advertising_id",
    "roku": "roku_advertising_id",
    "fire_tv": "fire_advertising_id",
    "xbox": "microsoft_advertising_id",
}


def device_info(context: Context) -> Mapping[str, Any] | None:
    """Return what is known of the device, None where that is nothing. Raises: Untranslatable."""
    info: dict[str, Any] = {}
    for part, copy, nothing in _DEVICE_PARTS:
        known = getattr(context, part)
        if known is not nothing:
            _copy(known, copy, info)
    if context.os.version is not None:
        info["os_version"] = context.os.version
    if context.device is not _NONE.device:
        _check(context, info)
    if context.timezone_offset_h is not None:
        info["timezone_offset"] = context.timezone_offset_h
    if context.user_agent is not None:
        info["http_header_user_agent"] = context.user_agent
    if context.locale:
        language, _, country = context.locale.replace("_", "-").partition("-")
        info["locale_language"] = language
        if country:
            info["locale_country"] = country
    return info or None


def application_info(context: Context) -> Mapping[str, str] | None:
    """Return what is known of the application, None where that is nothing."""
    if context.app is _NONE.app:
        return None
    info: dict[str, Any] = {}
    _copy(context.app, _APPLICATION, info)
    return info or None


def platform_of(context: Context) -> str | None:
    """Return the platform as the vendor spells it, also where only the family of the device says it."""
    device = context.device
    return platform(device.platform) or (platform_named(device.type) if device.type else None)


def _check(context: Context, info: dict[str, Any]) -> None:
    platform = platform_of(context)
    if platform is not None:
        info["platform"] = platform
    device = context.device
    if device.advertising_id is not None and platform in _ADVERTISING_IDS:
        info.setdefault(_ADVERTISING_IDS[platform], device.advertising_id)
    if device.ad_tracking_enabled is not None:
        info["limit_ad_tracking"] = not device.ad_tracking_enabled
    word(device.att_status, TRACKING_STATES, "att_authorization_status")
    for field in _UUIDS:
        if field in info:
            info[field] = uuid(info[field], field)


def _copy(known: Struct, copy: _Copy, info: dict[str, Any]) -> None:
    read, theirs = copy
    for name, value in zip(theirs, read(known), strict=True):
        if value is not None:
            info[name] = value
