"""What of mParticle's captures is out of scope: one rule for each departure, with its section of the sheet. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.parity.capture import Rule, Subject
from tests.parity.values import holds

# By kind, what the vendor's schema asks for and the vocabulary's event may lack.
_NEEDED = {
    "screen": ("screen",),
    "session_end": ("duration_ms",),
    "push": ("token", "push_kind", "payload"),
    "network_call": ("url", "status"),
    "crash": ("severity", "message"),
}
_UUIDS = (
    "ios_advertising_id", "android_advertising_id", "ios_idfv", "roku_advertising_id", "roku_publisher_id",
    "fire_advertising_id",
)  # fmt: skip
_HYPHENATED = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_WORDS = ("category", "action", "transition", "profile_kind", "push_kind", "app_state", "format", "quality", "platform")


def _batches(subject: Subject) -> Iterator[Mapping[str, Any]]:
    return iter(subject.input["batches"])


def _events(subject: Subject) -> Iterator[Mapping[str, Any]]:
    return (event for batch in _batches(subject) for event in batch.get("events") or ())


def _sent(applies: Callable[[Subject], bool]) -> Callable[[Subject], bool]:
    """Limit a rule to what the SDK sends: what it refuses, we refuse too."""
    return lambda subject: subject.group == "captured" and applies(subject)


def _refused(applies: Callable[[Subject], bool]) -> Callable[[Subject], bool]:
    return lambda subject: subject.group == "refused" and applies(subject)


def _nulls(value: Any) -> bool:
    """Tell whether an event's or batch's own field is null; values of free maps are not looked at."""
    if isinstance(value, list):
        return any(_nulls(one) for one in value)
    if not isinstance(value, Mapping):
        return False
    return any(one is None or (name in ("events", "device") and _nulls(one)) for name, one in value.items())


def _null_given(subject: Subject) -> bool:
    nulls = [_nulls(batch) for batch in _batches(subject)]
    return any(nulls) and not any(event.get("name", "") is None for event in _events(subject))


def _half(subject: Subject) -> bool:
    return any(batch.get("consent") and len(batch["consent"]) < 2 for batch in _batches(subject))


def _unknown(value: Any, name: str = "") -> bool:
    if isinstance(value, Mapping):
        return any(_unknown(one, key) for key, one in value.items() if key not in ("attributes", "flags", "traits"))
    if isinstance(value, list):
        return any(_unknown(one, name) for one in value)
    return value == "unknown" and name in _WORDS


def _crash(event: Mapping[str, Any]) -> bool:
    """Tell whether the SDK chose the label itself, or nests breadcrumbs in its own way."""
    return event["kind"] == "crash" and (event.get("explicit_type") != "crash_report" or bool(event.get("breadcrumbs")))


def _lacks(event: Mapping[str, Any]) -> bool:
    if event["kind"] == "profile":
        return True
    return any(event.get(field) is None for field in _NEEDED.get(event["kind"], ()))


def _other_uuid(subject: Subject) -> bool:
    devices = [batch.get("device") or {} for batch in _batches(subject)]
    given = [device[name] for device in devices for name in _UUIDS if device.get(name)]
    sessions = [(event.get("session") or {}).get("uuid") for event in _events(subject)]
    return any(one and not _HYPHENATED.fullmatch(one) for one in (*given, *sessions))


SCOPE = (
    Rule(
        "tells of the SDK's own objects: no reply was scripted",
        "mparticle.md 1, 11",
        lambda subject: subject.group == "reaction" and not subject.input["replies"],
    ),
    Rule("a field that is null is absent to a record", "mparticle.md 4", _null_given),
    Rule("no empty half of a consent, which might reset what is stored", "mparticle.md 9", _sent(_half)),
    Rule(
        "a crash goes by its own label, its breadcrumbs wrapped",
        "mparticle.md 6, 8, 19",
        _sent(lambda subject: any(map(_crash, _events(subject)))),
    ),
    Rule(
        "a word that the vendor's schema does not know is a dead letter",
        "mparticle.md 8, 19",
        _sent(lambda subject: any(map(_unknown, _batches(subject)))),
    ),
    Rule(
        "what lacks a field of the vendor's schema, a profile event its ids, is a dead letter",
        "mparticle.md 8, 19",
        _sent(lambda subject: any(map(_lacks, _events(subject)))),
    ),
    Rule(
        "UUIDs have hyphens, and what the vendor's schema wants as one is one", "mparticle.md 9, 19", _sent(_other_uuid)
    ),
    Rule(
        "the schema's own event type media is sent",
        "mparticle.md 8",
        _refused(lambda subject: any(event.get("category") == "media" for event in _events(subject))),
    ),
    Rule(
        "decimals are numbers, dates text",
        "mparticle.md 4, 19",
        lambda subject: holds(subject.input["batches"], "$decimal", "$date", "$datetime"),
    ),
    Rule(
        "the regular spelling of the irregular action is ours",
        "mparticle.md 10",
        _refused(
            lambda subject: any(
                (event.get("product_action") or {}).get("action") == "remove_from_wishlist"
                for event in _events(subject)
            )
        ),
    ),
    Rule("credentials are UTF-8", "mparticle.md 3", _refused(lambda subject: "credentials" in subject.input)),
)
