"""mParticle's inbound schema, as far as a server can send by it: a batch, and the data of each type of event. Pure.

A key or word that is not here is not allowed. Of what the official SDK sends against the schema, the service is known
to take `customerid`, `schema_version`, `api_key`, `media_info` and the category `attribution`, so they are here.
Source: the vendor's Inbound Events API Schema (JSON Schema), August 2026; lengths and counts from docs.mparticle.com,
"Default Service Limits", October 2023.
"""

from collections.abc import Mapping
from types import GenericAlias
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

Fields = Mapping[str, Any]


class Strict(Struct, forbid_unknown_fields=True):
    """An object of which every key is known."""


def _object(name: str, need: Fields, may: Fields, base: Any = Strict) -> Any:
    """Make a type of object. Shape: names parted by spaces -> the type of each."""
    needed = [(field, kind) for names, kind in need.items() for field in names.split()]
    others = [(field, kind | None, None) for names, kind in may.items() for field in names.split()]
    return msgspec.defstruct(name, [*needed, *others], bases=(base,), kw_only=True, forbid_unknown_fields=True)


def _list(of: Any) -> Any:
    return GenericAlias(list, (of,))


def _map(of: Any) -> Any:
    return GenericAlias(dict, (str, of))


def _words(text: str) -> Any:
    return Literal[tuple(text.split())]


# A float where a whole number is meant is a fault; a whole number is one of any kind.
Number = int | float
Text = Annotated[str, Meta(max_length=4096)]
Value = Text | int | float | bool | None
Attributes = Annotated[dict[str, Value], Meta(max_length=100)]
Flags = dict[str, str | int | float | bool | None]
Entries = Annotated[list[Annotated[str, Meta(max_length=512)] | int | float | bool | None], Meta(max_length=1000)]
Uuid = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
Orientation = _words("portrait portrait_upside_down landscape LandscapeLeft LandscapeRight FaceUp FaceDown Square")

Location = _object(
    "Location",
    {"latitude longitude": Number},
    {"accuracy": Number, "country_code region_code city_name postal_code dma_code location_source": str},
)
DeviceState = _object(
    "DeviceState",
    {},
    {
        "time_since_start_ms total_system_memory_usage_bytes disk_space_free_bytes external_disk_space_free_bytes": int,
        "battery_level system_memory_available_bytes system_memory_threshold_bytes": Number,
        "application_memory_available_bytes application_memory_max_bytes application_memory_total_bytes": Number,
        "data_connection_type data_connection_type_detail cpu": str,
        "gps_state system_memory_low": bool,
        "device_orientation status_bar_orientation": Orientation,
    },
)
Data = _object(
    "Data",
    {},
    {
        "timestamp_unixtime_ms event_id session_id session_start_unixtime_ms event_num": int,
        "source_message_id": str,
        "session_uuid": Uuid,
        "custom_attributes": Attributes,
        "location": Location,
        "device_current_state": DeviceState,
    },
)
Product = _object(
    "Product",
    {},
    {
        "id name brand category variant coupon_code": str,
        "position added_to_cart_time_ms": int,
        "price quantity total_product_amount": Number,
        "custom_attributes": dict[str, str],
    },
)
ProductAction = _object(
    "ProductAction",
    {
        "action": _words(
            "add_to_cart remove_from_cart checkout checkout_option click view_detail purchase refund add_to_wishlist "
            "remove_from_wish_list"
        )
    },
    {
        "checkout_step": int,
        "checkout_options product_action_list product_list_source transaction_id affiliation coupon_code": str,
        "total_amount tax_amount shipping_amount": Number,
        "products": _list(Product),
    },
)
Promotion = _object("Promotion", {}, {"id name creative position": str})
PromotionAction = _object("PromotionAction", {"action": _words("view click")}, {"promotions": _list(Promotion)})
Impression = _object("Impression", {"product_impression_list": str, "products": _list(Product)}, {})
Cart = _object("Cart", {}, {"products": _list(Product)})
Media = _object(
    "Media",
    {},
    {
        "action": _words("play stop update_playback_position skip rate"),
        "channel metadata timed_metadata": str,
        "playback_position playback_rate": Number,
        "format": _words("audio video"),
        "quality": _words("low sd medium hd ultra_hd"),
    },
)
Breadcrumb = _object("Breadcrumb", {"label": str}, {"session_number": int}, Data)
Crumb = _object("Crumb", {"data": Breadcrumb, "event_type": _words("breadcrumb")}, {})
_EVENT_TYPES = "navigation location search transaction user_content user_preference social other media attribution"
_TRANSITIONS = "application_initialized application_exit application_background application_foreground launch_referral"

# Label -> what its data must and may hold beside what all may.
_EVENTS: Mapping[str, tuple[Fields, Fields]] = {
    "session_start": ({}, {}),
    "session_end": ({"session_duration_ms": int}, {}),
    "first_run": ({}, {}),
    "opt_out": ({"is_opted_out": bool}, {}),
    "custom_event": (
        {"custom_event_type": _words(_EVENT_TYPES), "event_name": str},
        {"media_info": Media, "custom_flags": Flags},
    ),
    "screen_view": ({"screen_name": str}, {"activity_type": str, "custom_flags": Flags}),
    "commerce_event": (
        {},
        {
            "product_action": ProductAction,
            "promotion_action": PromotionAction,
            "product_impressions": _list(Impression),
            "shopping_cart": Cart,
            "currency_code screen_name": str,
            "is_non_interactive": bool,
            "custom_flags": Flags,
        },
    ),
    "application_state_transition": (
        {"application_transition_type": _words(_TRANSITIONS)},
        {"successfully_closed is_first_run is_upgrade": bool, "push_notification_payload launch_referral": str},
    ),
    "push_registration": ({"register": bool, "registration_token": str}, {}),
    "push_message": (
        {
            "push_message_token push_notification_payload": str,
            "push_message_type": _words("sent received action"),
        },
        {
            "message network": str,
            "application_state": _words("not_running background foreground"),
            "action_identifier": Annotated[str, Meta(max_length=100)],
        },
    ),
    "network_performance": (
        {"url": str, "response_code": int},
        {"http_verb data": str, "time_elapsed bytes_in bytes_out": int},
    ),
    "profile": (
        {"profile_event_type": _words("signup login logout update delete"), "previous_mpid current_mpid": int},
        {"profile_name previous_profile_name": str},
    ),
    "breadcrumb": ({"label": str}, {"session_number": int}),
    "user_attribute_change": (
        {"user_attribute_name": str},
        {"new old": Value | Entries, "deleted is_new_attribute": bool},
    ),
    "crash_report": (
        {"severity message": str},
        {
            "class_name stack_trace topmost_context pl_crash_report_file_base64": str,
            "exception_handled": bool,
            "ios_image_base_address ios_image_size session_number": int,
            "breadcrumbs": _list(Crumb),
        },
    ),
}
EVENTS = {label: msgspec.json.Decoder(_object(label, need, may, Data)) for label, (need, may) in _EVENTS.items()}
"""Label -> what reads its data, and refuses what the schema does not allow."""

ConsentState = _object(
    "ConsentState", {"consented": bool, "timestamp_unixtime_ms": int}, {"document location hardware_id": str}
)
_CCPA = _object("Ccpa", {}, {"data_sale_opt_out": ConsentState})
_PLAN = _object("Plan", {"plan_id": str}, {"plan_version": int})
_DEVICE: Fields = {
    "brand product device android_uuid device_manufacturer os_version device_model device_country": str,
    "locale_language locale_country network_country network_carrier network_code network_mobile_country_code": str,
    "build_identifier http_header_user_agent push_token cpu_architecture radio_access_technology": str,
    "bluetooth_version amp_id microsoft_advertising_id microsoft_publisher_id build_version_release": str,
    "platform": _words("iOS Android web tvOS roku out_of_band alexa smart_tv fire_tv xbox"),
    "screen_height screen_width screen_dpi timezone_offset att_timestamp_unixtime_ms": int,
    "is_tablet push_notification_sound_enabled push_notification_vibrate_enabled supports_telephony has_nfc": bool,
    "bluetooth_enabled limit_ad_tracking is_dst": bool,
    "ios_advertising_id android_advertising_id ios_idfv roku_advertising_id roku_publisher_id": Uuid,
    "fire_advertising_id": Uuid,
    "att_authorization_status": _words("authorized denied not_determined restricted"),
}
_IDENTITIES = (
    "other customerid customer_id facebook twitter google microsoft yahoo email alias facebook_custom_audience_id "
    "other_id_2 other_id_3 other_id_4 other_id_5 other_id_6 other_id_7 other_id_8 other_id_9 other_id_10 "
    "mobile_number phone_number_2 phone_number_3"
)
_APPLICATION = "application_name application_version application_build_number install_referrer package os"


class Wrapped(Strict):
    """An event, whose data is looked at by its label."""

    data: Raw
    event_type: str


class Head(Strict, kw_only=True):
    """What of a batch is looked into; the rest need only be allowed."""

    events: list[Raw] = []
    source_request_id: str = ""
    environment: Literal["production", "development"] = "production"


BATCH: msgspec.json.Decoder[Head] = msgspec.json.Decoder(
    _object(
        "Batch",
        {},
        {
            "ip api_key": str,
            "schema_version mpid": int,
            "mp_deviceid": Uuid,
            "device_info": _object("DeviceInfo", {}, _DEVICE),
            "application_info": _object("Application", {}, {_APPLICATION: str}),
            "user_attributes": Annotated[dict[str, Value | Entries], Meta(max_length=100)],
            "deleted_user_attributes": list[str],
            "user_identities": _object("Identities", {}, {_IDENTITIES: str}),
            "consent_state": _object("Consent", {}, {"ccpa": _CCPA, "gdpr": _map(ConsentState)}),
            "integration_attributes": dict[Annotated[str, Meta(pattern="^[0-9]+$")], dict[str, str]],
            "context": _object("Context", {}, {"data_plan": _PLAN}),
        },
        Head,
    )
)
"""What reads one user's batch, and refuses what the schema does not allow."""
