"""From the vocabulary of mParticle's captures (its sheet, section 21) to events of ours. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from connector.domain.events import KINDS, Event
from connector.errors import Undecodable
from tests.parity.values import plain

# Kind of the vocabulary: ours, and its fields where ours go by another name.
_KINDS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "custom": ("Track", {}),
    "attribution": ("Attribution", {}),
    "attribution_delete": ("Attribution", {}),
    "screen": ("Screen", {"screen": "name"}),
    "session_start": ("SessionStart", {}),
    "session_end": ("SessionEnd", {}),
    "first_run": ("FirstRun", {}),
    "opt_out": ("OptOut", {}),
    "app_state": ("AppState", {}),
    "push_token": ("PushRegistration", {}),
    "push": ("PushMessage", {"push_kind": "step"}),
    "network_call": ("NetworkPerformance", {}),
    "user_attribute_change": ("UserAttributeChange", {}),
    "profile": ("ProfileChange", {"profile_kind": "change"}),
    "breadcrumb": ("Breadcrumb", {}),
    "crash": (
        "Crash",
        {
            "class": "class_name",
            "stack": "stack_trace",
            "report_base64": "report",
            "image_base": "image_base_address",
        },
    ),
    "commerce": ("Commerce", {"screen": "screen_name"}),
}
_COMMON = {"time_ms": "timestamp_ms", "attributes": "properties"}
_ELSEWHERE = ("kind", "explicit_type", "event_id", "session", "location", "device_state")
# Of products and of what holds them.
_GOODS = {
    "list": "list_name",
    "added_at_ms": "added_to_cart_ms",
    "line_total": "total",
}
# The vocabulary's names of the device, where ours differ or stand elsewhere.
_DEVICE: Mapping[str, tuple[str, str]] = {
    "device": ("device", "name"),
    "device_manufacturer": ("device", "manufacturer"),
    "device_model": ("device", "model"),
    "device_country": ("device", "country"),
    "build_identifier": ("device", "build"),
    "push_token": ("device", "token"),
    "push_notification_sound_enabled": ("device", "push_sound_enabled"),
    "push_notification_vibrate_enabled": ("device", "push_vibrate_enabled"),
    "att_timestamp_unixtime_ms": ("device", "att_timestamp_ms"),
    "att_authorization_status": ("device", "att_status"),
    "os_version": ("os", "version"),
    "screen_height": ("screen", "height"),
    "screen_width": ("screen", "width"),
    "screen_dpi": ("screen", "dpi"),
    "network_country": ("network", "country"),
    "network_carrier": ("network", "carrier"),
    "network_code": ("network", "code"),
    "network_mobile_country_code": ("network", "mobile_country_code"),
}


def events_of(batch: Mapping[str, Any]) -> Iterator[Event | Undecodable]:
    """Yield an event for each of a batch; for a batch without any, what it says of its user.

    Raises: ValidationError, for what our events' types refuse.
    """
    shared, context = _shared(batch), _context(batch)
    user = _given(batch.get("user") or {})
    traits = plain(user.get("traits", {}))
    if not batch.get("events"):
        fields = {**shared, "context": context, "traits": traits, "removed_traits": user.get("removed_traits", ())}
        yield msgspec.convert(fields, KINDS["Identify"])
        return
    for event in batch["events"]:
        if event["kind"] not in _KINDS:
            yield Undecodable("unknown_record")
            continue
        own = {**shared, **_fields(event), "context": {**context, "traits": traits, **_circumstances(event, context)}}
        yield msgspec.convert(own, KINDS[_KINDS[event["kind"]][0]])


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is null: to a record it is absent."""
    return {name: value for name, value in fields.items() if value is not None}


def _shared(batch: Mapping[str, Any]) -> dict[str, Any]:
    user = _given(batch.get("user") or {})
    identities = dict(user.get("ids", {}))
    fields: dict[str, Any] = _given(
        {"environment": batch.get("environment"), "user_id": identities.pop("customer_id", None)}
    )
    if "profile_id" in user:
        identities["mpid"] = str(user["profile_id"])
    fields["identities"] = identities
    fields["consent"] = {
        purpose: _given(
            {
                "regulation": law,
                "granted": state.get("agreed"),
                "document": state.get("document"),
                "timestamp_ms": state.get("at_ms"),
                "location": state.get("place"),
                "hardware_id": state.get("hardware_id"),
            }
        )
        for law, purposes in (batch.get("consent") or {}).items()
        for purpose, state in purposes.items()
    }
    return fields


def _context(batch: Mapping[str, Any]) -> dict[str, Any]:
    context: dict[str, Any] = {"device": _given({"application_stamp": batch.get("device_stamp")})}
    device = _given(batch.get("device") or {})
    context["timezone_offset_h"] = device.pop("timezone_offset", None)
    context["user_agent"] = device.pop("http_header_user_agent", None)
    locale = [device.pop(part, "") for part in ("locale_language", "locale_country")]
    context["locale"] = "-".join(part for part in locale if part) or None
    for name, value in device.items():
        part, field = _DEVICE.get(name, ("device", name))
        context.setdefault(part, {})[field] = value
    app, plan = _given(batch.get("app") or {}), _given(batch.get("plan") or {})
    context["app"] = {("namespace" if name == "package" else name): value for name, value in app.items()}
    context["plan"] = plan
    context["ip"] = batch.get("ip")
    context["integration_attributes"] = (batch.get("user") or {}).get("integration_traits") or {}
    context["extra"] = _given({"schema_version": batch.get("schema_version"), "api_key": batch.get("batch_key")})
    return context


def _circumstances(event: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {name: event[name] for name in ("session", "location", "device_state") if event.get(name)}
    if event.get("event_id") is not None:
        found["extra"] = {**context["extra"], "event_id": event["event_id"]}
    return found


def _fields(event: Mapping[str, Any]) -> dict[str, Any]:
    kind = event["kind"]
    names = {**_COMMON, **_KINDS[kind][1]}
    fields = {names.get(name, name): plain(value) for name, value in _given(event).items() if name not in _ELSEWHERE}
    if kind == "attribution_delete":
        fields["removed"] = True
    if kind == "commerce":
        fields = {name: value if name in ("properties", "flags") else _goods(value) for name, value in fields.items()}
    if kind == "crash":
        fields["breadcrumbs"] = [_fields({"kind": "breadcrumb", **one}) for one in fields.get("breadcrumbs", ())]
    return fields


def _goods(value: Any) -> Any:
    """Rename what products and their holders are described by; their attributes are free."""
    if isinstance(value, list):
        return [_goods(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    return {_GOODS.get(name, name): one if name == "attributes" else _goods(one) for name, one in _given(value).items()}
