"""What the vendor's own SDK checks of an event, a workflow and a trigger: JSON Schemas, compiled once. Pure.

Shape:  JSON Schema draft-07; lengths in code points.
Source: suprsend-py-sdk 0.20.0.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import fastjsonschema

from connector.errors import Untranslatable

Schema = Mapping[str, Any]

ENV_SHORTEST = 20
CHANNELS = (
    "androidpush", "iospush", "webpush", "email", "sms", "whatsapp", "slack", "inbox", "messenger", "ms_teams",
)  # fmt: skip
_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_OBJECT: Schema = {"type": "object"}
_CHANNEL_LIST: Schema = {"type": "array", "items": {"enum": list(CHANNELS)}}
# A final newline is let through, as `$` does in the SDK's own library.
_SLACK: Schema = {
    "access_token": {"type": "string", "pattern": "^xox"},
    "channel_id": {"type": "string", "pattern": "^[cC][a-zA-Z0-9]+\n?$"},
    "user_id": {"type": "string", "pattern": "^[uUwW][a-zA-Z0-9]+\n?$"},
    "email": {"type": "string", "minLength": 2},
    "incoming_webhook": {
        "type": "object",
        "properties": {"url": {"type": "string", "pattern": "^https://hooks.slack.com/"}},
    },
}
_TEAMS: Schema = {
    "tenant_id": _TEXT,
    "conversation_id": _TEXT,
    "user_id": _TEXT,
    "service_url": {"type": "string", "pattern": "^https://smba.trafficmanager.net/"},
    "incoming_webhook": {"type": "object", "properties": {"url": _TEXT}},
}
_ANDROID, _IOS = ("fcm", "xiaomi", "oppo"), ("apns",)


def _text(least: int = 0, most: int | None = None) -> Schema:
    return {"type": "string", "minLength": least, **({} if most is None else {"maxLength": most})}


def _text_or_null(most: int) -> Schema:
    return {"type": ["string", "null"], "maxLength": most}


def _one_or_ten(item: Schema) -> Schema:
    """Describe an item, or an array of up to ten; the types tell them apart, so nothing is tried twice."""
    return {**item, "type": [item["type"], "array"], "minItems": 1, "maxItems": 10, "items": item}


def _closed(properties: Schema, required: Iterable[str] = ()) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _push(providers: Iterable[str], token: Schema | None) -> Schema:
    settings = _closed(
        {
            "token": _text(1),
            "provider": {"enum": list(providers)},
            "device_id": _TEXT_OR_NULL,
            "bundle_id": _TEXT_OR_NULL,
        },
        ("token", "provider"),
    )
    described = _one_or_ten(settings)
    if token is None:
        return described
    # Bare tokens are taken too, but not among settings.
    arrays = [{"items": settings}, {"items": token}]
    return {**described, **token, "type": ["object", "string", "array"], "items": True, "anyOf": arrays}


def _user(least: int, *, bare_tokens: bool) -> Schema:
    """Describe a user with channels; other keys are the user's own properties."""
    word = _text(least)
    token = word if bare_tokens else None
    return {
        "type": "object",
        "properties": {
            "is_transient": {"type": ["boolean", "null"]},
            **dict.fromkeys(("distinct_id", "$preferred_language", "$locale", "$timezone"), _TEXT_OR_NULL),
            "$channels": _CHANNEL_LIST,
            **dict.fromkeys(("$email", "$sms", "$whatsapp", "$inbox", "$messenger"), _one_or_ten(word)),
            "$androidpush": _push(_ANDROID, token),
            "$iospush": _push(_IOS, token),
            "$webpush": _one_or_ten({"type": "object", "minProperties": 1}),
            "$slack": _one_or_ten(_closed(_SLACK)),
            "$ms_teams": _one_or_ten(_closed(_TEAMS)),
        },
    }


EVENT: Schema = {
    "type": "object",
    "required": ["$insert_id", "$time", "event", "env", "distinct_id", "properties"],
    "properties": {
        "$idempotency_key": _text_or_null(255),
        "tenant_id": _text_or_null(64),
        "brand_id": _text_or_null(64),
        "$insert_id": _text(36),
        # 2022-01-01, in milliseconds.
        "$time": {"type": "integer", "minimum": 1_640_995_200_000},
        "event": _text(2),
        "env": _text(ENV_SHORTEST),
        "distinct_id": _text(1),
        "properties": _OBJECT,
    },
}
WORKFLOW: Schema = {
    "type": "object",
    "required": ["name", "template", "notification_category", "users", "data"],
    "properties": {
        "$idempotency_key": _text_or_null(255),
        "tenant_id": _text_or_null(64),
        "brand_id": _text_or_null(64),
        **dict.fromkeys(("name", "template", "notification_category", "trigger_at"), _text(2)),
        "delay": {"type": ["string", "integer"], "minimum": 0},
        "users": {"type": "array", "minItems": 1, "items": _user(2, bare_tokens=True)},
        "data": _OBJECT,
        "delivery": _closed(
            {
                "smart": {"type": "boolean"},
                "success": _TEXT,
                "time_to_live": _TEXT,
                "mandatory_channels": _CHANNEL_LIST,
            }
        ),
    },
}
_RECIPIENT: Schema = {**_user(1, bare_tokens=False), "type": ["string", "object"], "minLength": 1}
TRIGGER: Schema = _closed(
    {
        "$idempotency_key": _text_or_null(255),
        "tenant_id": _text_or_null(64),
        "workflow": _text(1),
        "actor": _RECIPIENT,
        "recipients": {"type": "array", "minItems": 1, "items": _RECIPIENT},
        "data": _OBJECT,
        "metadata": _OBJECT,
        "cancellation_key": _text_or_null(255),
    },
    ("workflow", "recipients", "data"),
)


def checker(schema: Schema) -> Callable[[Any], None]:
    """Compile a schema into a check. The check raises: Untranslatable, naming the field and the keyword it failed."""
    validate = fastjsonschema.compile(dict(schema), use_default=False, use_formats=False)

    def check(value: Any) -> None:
        try:
            validate(value)
        except fastjsonschema.JsonSchemaValueException as fault:
            # The original error carries the value, which is user data.
            raise Untranslatable("schema", _failed(fault)) from None

    return check


def _failed(fault: fastjsonschema.JsonSchemaValueException) -> str:
    """Name field and keyword; a key that does not belong is named only if it is a word of the vendor's."""
    path = list(fault.path[1:])
    if fault.rule == "required":
        path.append(next(name for name in fault.rule_definition if name not in fault.value))
    if fault.rule == "additionalProperties":
        unknown = fault.value.keys() - fault.definition["properties"].keys()
        path += [name for name in WORKFLOW["properties"] if name in unknown][:1]
    return f"{'.'.join(path)}: {fault.rule}" if path else str(fault.rule)
