"""Identify, ProfileEdit and PushRegistration to operations on a user. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connector.domain.events import Event, Identify, Operation, ProfileEdit, PushRegistration
from connector.errors import Untranslatable
from connector.sinks.contract import Payloads
from connector.sinks.suprsend.records import Record, Stamp, distinct_id, one
from connector.sinks.suprsend.request import LIBRARY, USERS

_OPERATORS = {
    "set": "$set",
    "set_once": "$set_once",
    "increment": "$add",
    "append": "$append",
    "remove": "$remove",
    "add_channel": "$append",
    "remove_channel": "$remove",
    "set_language": "$preferred_language",
    "set_timezone": "$timezone",
    "set_locale": "$locale",
}
_PUSH = ("$androidpush", "$iospush", "$webpush")
_BUNDLED = ("$androidpush", "$iospush")
_CHANNELS = frozenset((*_PUSH, "$email", "$sms", "$whatsapp", "$slack", "$ms_teams"))
_DETAILED = frozenset(("webpush", "slack", "ms_teams"))
# What an identity of ours is to the vendor.
_REACHED_BY = {"email": "$email", "phone_number": "$sms"}
_PLATFORMS = {"android": "$androidpush", "ios": "$iospush"}


def identify(event: Identify, stamp: Stamp, workspace: str) -> Payloads:
    """Set and unset what an Identify says; what a user is reached by is a channel, among traits as among identities."""
    return _user(event, [*_traits(event), *_reached(event)], stamp, workspace)


def profile_edit(event: ProfileEdit, stamp: Stamp, workspace: str) -> Payloads:
    """Do the operations of a ProfileEdit in their order; with none it is sent all the same, as the SDK sends it."""
    operations = [made for operation in event.operations if (made := _operation(operation))]
    return _user(event, operations, stamp, workspace)


def push_registration(event: PushRegistration, stamp: Stamp, workspace: str) -> Payloads:
    """Add or remove the channel of a device."""
    channel = _PLATFORMS.get((event.platform or event.context.device.platform or "").lower())
    if channel is None:
        raise Untranslatable("schema", "platform: enum")
    reached = _channel({channel: event.token, "$id_provider": event.provider, "$bundle_id": event.bundle_id})
    return _user(event, [{"$append" if event.register else "$remove": reached}], stamp, workspace)


def _user(event: Event, operations: list[Record], stamp: Stamp, workspace: str) -> Payloads:
    """Put the edit of a user together. The vendor knows no way to tell a second delivery: it is not safe to replay.

    Source: suprsend-py-sdk 0.20.0 on the wire; but for the time, which there is always that of sending.
    """
    record: Record = {
        "$schema": "2",
        "$insert_id": stamp.insert_id,
        "$time": stamp.time_ms,
        "env": workspace,
        "distinct_id": distinct_id(event),
        "$user_operations": operations,
        "properties": {"$ss_sdk_version": LIBRARY},
    }
    if event.context.tenant_id:
        record["tenant_id"] = event.context.tenant_id
    return one(USERS, record, stamp.ident, replay_safe=False)


def _traits(event: Identify) -> Iterator[Record]:
    plain = _named({name: value for name, value in event.traits.items() if name not in _CHANNELS})
    if plain:
        yield {"$set": plain}
    if event.removed_traits:
        yield {"$unset": list(_names(event.removed_traits))}
    for name, value in event.traits.items():
        if name in _CHANNELS:
            for reached_by in value if isinstance(value, list | tuple) else (value,):
                yield {"$append": _channel({name: reached_by})}


def _reached(event: Identify) -> Iterator[Record]:
    for identity, channel in _REACHED_BY.items():
        if value := event.identities.get(identity):
            yield {"$append": {channel: value}}
    for name, value in (("$timezone", event.context.timezone), ("$locale", event.context.locale)):
        if value and name not in event.traits:
            yield {"$set": {name: value}}


def _operation(operation: Operation) -> Record:
    """Render one operation; {} where it holds nothing."""
    match operation.op:
        case "set" | "set_once" | "increment":
            made = _named(operation.properties)
        case "append" | "remove":
            made = _channel(_named(operation.properties))
        case "unset":
            names = list(_names(operation.keys))
            return {"$unset": names} if names else {}
        case "add_channel" | "remove_channel":
            made = _of_channel(operation)
        case _:
            return {"$set": {_OPERATORS[operation.op]: operation.value}}
    return {_OPERATORS[operation.op]: made} if made else {}


def _of_channel(operation: Operation) -> Record:
    if operation.channel is None:
        raise Untranslatable("schema", "operations.channel: required")
    value: object = operation.value
    if value is None and operation.channel in _DETAILED:
        value = operation.details
    name = f"${operation.channel}"
    if name not in _PUSH:
        return {name: value}
    return _channel({name: value, "$id_provider": operation.provider, "$bundle_id": operation.bundle_id})


def _channel(properties: Mapping[str, Any]) -> Record:
    """Give push channels the two keys beside them: a provider, null where none is given, and a bundle id if any."""
    made = dict(properties)
    if not made.keys().isdisjoint(_PUSH):
        made.setdefault("$id_provider", None)
        if made.keys().isdisjoint(_BUNDLED) or not made.get("$bundle_id"):
            made.pop("$bundle_id", None)
    return made


def _named(properties: Mapping[str, Any]) -> Record:
    """Trim the names, and leave out those that are blank."""
    return {trimmed: value for name, value in properties.items() if (trimmed := name.strip())}


def _names(names: Iterable[str]) -> Iterator[str]:
    return (trimmed for name in names if (trimmed := name.strip()))
