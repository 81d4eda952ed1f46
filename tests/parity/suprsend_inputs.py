"""What SuprSend's Python SDK is asked to do, as events of ours: by the words of its calls alone. Pure."""

import ast
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import msgspec

from connector.domain.events import Attachment, Event, ProfileEdit, Track, Workflow
from connector.errors import Undecodable
from connector.sinks.suprsend.request import LIBRARY

Input = Event | Undecodable
SDK = "suprsend-py-sdk/0.20.0 (python/3.11.7; linux)"
LEAST_PADDING = 9_000
EVENTS = ("track_event", "bulk_events")
WORKFLOWS = ("trigger_workflow", "bulk_workflows", "workflows.trigger", "workflows.bulk_trigger")
USERS = ("user.save", "users.async_edit", "bulk_users.save", "users.bulk_edit")
CHANNELS = ("email", "sms", "whatsapp", "androidpush", "iospush", "webpush", "slack", "ms_teams")
CHANGES = ("set", "set_once", "increment", "append", "remove")
SINGLE_VALUES = ("set_preferred_language", "set_timezone", "set_locale")
_LISTS = ("channels", "email", "sms", "whatsapp", "inbox", "messenger")
_PERSON: Mapping[str, tuple[str, type]] = {
    "distinct_id": ("user_id", str),
    "is_transient": ("is_transient", bool),
    "$preferred_language": ("preferred_language", str),
    "$timezone": ("timezone", str),
    "$locale": ("locale", str),
}
_DELIVERY = {"smart", "success", "time_to_live", "mandatory_channels"}
_WORKFLOW = {
    "workflow": "slug", "name": "name", "template": "template", "notification_category": "category",
    "trigger_at": "trigger_at", "delay": "delay", "delivery": "delivery",
}  # fmt: skip


# What our record holds more than the SDK's: an idempotency key, and another name of the sender.
_KEY = len(f', "$idempotency_key": "{UUID(int=0)}"')
_NAME = len(LIBRARY) - len(SDK)
_MORE = dict.fromkeys(EVENTS, _KEY + _NAME) | dict.fromkeys(WORKFLOWS, _KEY) | dict.fromkeys(USERS, _NAME)


def inputs(given: Mapping[str, Any]) -> Sequence[Input]:
    """Make an event of each thing asked for, in order; padding makes room for what our record holds more."""
    call, files = given["call"], _files(given)
    args = plain(given["args"], _MORE.get(call, 0))
    if call in EVENTS:
        return [_track(one, files) for one in args.get("events", [args.get("event")])]
    if call in WORKFLOWS:
        return [_workflow(one, files) for one in args.get("workflows", [args.get("workflow")])]
    return [_edit(one) for one in args.get("users", [args])] if call in USERS else []


def plain(value: Any, more: int = 0) -> Any:
    """Write out what a capture abbreviates; a Python literal becomes what JSON has for it."""
    if isinstance(value, list):
        return [plain(one, more) for one in value]
    if not isinstance(value, Mapping):
        return value
    if "__repeat__" in value:
        text, count = value["__repeat__"]
        return text * (count - more if count > LEAST_PADDING else count)
    if "__generate__" in value:
        return list(_generated(**value["__generate__"]))
    if "__py__" in value:
        literal = ast.literal_eval(value["__py__"])
        return sorted(literal) if isinstance(literal, set) else literal
    return {key: plain(one, more) for key, one in value.items()}


def is_padded(value: Any) -> bool:
    """Tell whether there is padding anywhere within."""
    if isinstance(value, str):
        return len(value) > LEAST_PADDING - max(_MORE.values())
    held = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(map(is_padded, held))


def _generated(count: int, start: int, template: Any) -> Iterator[Any]:
    text = msgspec.json.encode(template).decode()
    for number in range(start, start + count):
        yield plain(msgspec.json.decode(text.replace("{i}", str(number))))


def _files(given: Mapping[str, Any]) -> Mapping[str, bytes]:
    return {file["name"]: b64decode(file["content_base64"]) for file in given.get("files", ())}


def _made(kind: type[Event], fields: Mapping[str, Any]) -> Input:
    """Make the event; what its types refuse is none."""
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError:
        return Undecodable("bad_field")


def _tenancy(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: asked[name] for name in ("tenant_id", "brand_id") if asked.get(name) is not None}


def _attachments(asked: Mapping[str, Any], files: Mapping[str, bytes]) -> list[Attachment]:
    """Read a file that is there, as whoever writes the event must; anything else is passed on as it is."""
    made = []
    for one in asked.get("attachments", ()):
        path, name, ignore = one["file_path"], one.get("file_name"), one.get("ignore_if_error", False)
        held = files.get(path.removeprefix("{FILES}/"))
        if held is None:
            made.append(Attachment(url=path, file_name=name, ignore_if_error=ignore))
        else:
            named = name if name and name.strip() else PurePosixPath(path).name
            made.append(Attachment(data=held, file_name=named, ignore_if_error=ignore))
    return made


def _track(asked: Mapping[str, Any], files: Mapping[str, bytes]) -> Input:
    fields = {
        "user_id": asked["distinct_id"],
        "name": asked["event_name"],
        "properties": asked.get("properties", {}),
        "idempotency_key": asked.get("idempotency_key"),
        "context": _tenancy(asked),
        "attachments": _attachments(asked, files),
    }
    return _made(Track, fields)


def _workflow(asked: Mapping[str, Any], files: Mapping[str, bytes]) -> Input:
    """Say what our types can hold by our own names, and the rest by the vendor's."""
    fields: dict[str, Any] = {"extra": {}}
    for name, value in asked["body"].items():
        if name in _WORKFLOW and _fits(Workflow, _WORKFLOW[name], value):
            fields[_WORKFLOW[name]] = value
        elif name in ("users", "recipients") and isinstance(value, list):
            fields["recipients"] = [_recipient(one) for one in value]
        elif name in ("data", "metadata") and isinstance(value, dict):
            fields[name] = value
        elif name == "actor":
            fields["actor"] = _recipient(value)
        else:
            fields["extra"][name] = value
    fields |= {name: asked[name] for name in ("idempotency_key", "cancellation_key") if asked.get(name)}
    return _made(Workflow, {**fields, "context": _tenancy(asked), "attachments": _attachments(asked, files)})


def _recipient(who: Any) -> Any:
    if not isinstance(who, dict):
        return who
    fields: dict[str, Any] = {"properties": {}}
    for name, value in who.items():
        own, kind = _PERSON.get(name, ("", bytes))
        texts = isinstance(value, list) and value and all(isinstance(one, str) for one in value)
        if isinstance(value, kind):
            fields[own] = value
        elif texts and name.removeprefix("$") in _LISTS:
            fields[name.removeprefix("$")] = value
        else:
            fields["properties"][name] = value
    return fields


def _fits(kind: type[Event], field: str, value: Any) -> bool:
    (found,) = (one for one in msgspec.structs.fields(kind) if one.name == field)
    try:
        msgspec.convert(value, found.type)
    except msgspec.ValidationError:
        return False
    return value is not None and not (isinstance(value, dict) and value.keys() - _DELIVERY)


def _edit(asked: Mapping[str, Any]) -> Input:
    operations = [_operation(*operation) for operation in asked["ops"]]
    return _made(ProfileEdit, {"user_id": asked["distinct_id"], "operations": operations, "context": _tenancy(asked)})


def _operation(method: str, given: Sequence[Any], named: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    if method in SINGLE_VALUES:
        return {"op": method.replace("preferred_", ""), "value": given[0]}
    if method == "unset":
        return {"op": "unset", "keys": [given[0]] if isinstance(given[0], str) else given[0]}
    if method in CHANGES:
        return {"op": method, "properties": _changes(*given)}
    verb, channel = method.split("_", 1)
    asked = dict(zip(("value", "provider", "bundle_id"), given, strict=False)) | dict(named or {})
    if isinstance(asked["value"], dict):
        asked["details"] = asked.pop("value")
    return {"op": f"{verb}_channel", "channel": channel, **asked}


def _changes(first: Any, second: Any = None) -> Mapping[str, Any]:
    """Read `k, v` or a dictionary; a name without a value changes nothing."""
    if isinstance(first, dict):
        return {name: value for name, value in first.items() if isinstance(name, str)}
    return {} if second is None else {first: second}
