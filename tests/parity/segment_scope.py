"""Which captures of Segment's library are out of scope, by what they were asked to do. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Any

from tests.parity.capture import Rule, Subject
from tests.parity.segment_events import calls_of
from tests.parity.values import OTHERWISE, holds

_MAPS = ("properties", "traits", "context", "integrations")


def _arguments(subject: Subject) -> Iterator[Mapping[str, Any]]:
    return (call["args"] for call in calls_of(subject.input) if "args" in call)


def _any_argument(names: Sequence[str], kind: type | UnionType, *, empty: bool) -> Any:
    """Tell whether one of these arguments is of a kind, and empty where that matters."""

    def applies(subject: Subject) -> bool:
        given = [arguments[name] for arguments in _arguments(subject) for name in names if name in arguments]
        return any(isinstance(one, kind) and not (empty and one) for one in given)

    return applies


def _timed_otherwise(subject: Subject) -> bool:
    given = [arguments.get("timestamp") for arguments in _arguments(subject)]
    return any(one is not None and not holds(one, "$datetime") for one in given)


def _over_the_queue(subject: Subject) -> bool:
    most: int = subject.input["client"].get("max_queue_size", 10_000)
    return len(calls_of(subject.input)) > most


def _named_in_part(subject: Subject) -> bool:
    named = [option for option in subject.input["client"] if option.startswith("oauth_")]
    return len(named) == 1


def _entries(subject: Subject) -> Iterator[Mapping[str, Any]]:
    return (call["event"] for call in calls_of(subject.input) if "event" in call)


def _nameless(subject: Subject) -> bool:
    return any(entry.get("name") is None for entry in _entries(subject))


def _added_to(subject: Subject) -> bool:
    return any(entry.keys() - {"name", "timestamp", "data", "context"} for entry in _entries(subject))


def _refused_for_its_spaces(subject: Subject) -> bool:
    """Tell whether a message is over 32,768 bytes only as the library writes it: 262 of these hold no text of ours."""
    lengths = [
        one["$repeat"]["count"]
        for arguments in _arguments(subject)
        if isinstance(properties := arguments.get("properties"), Mapping)
        for one in properties.values()
        if isinstance(one, Mapping) and "$repeat" in one
    ]
    return any(32_768 - 262 < length <= 32_768 - 262 + 20 for length in lengths)


SCOPE = (
    Rule("another version, whose wire differs", "segment.md 12", lambda subject: subject.group == "legacy"),
    Rule("a missing module is no matter of ours", "segment.md 10", lambda subject: "no top-level" in subject.call),
    Rule("the event bus publishes no entry without a name", "segment.md 11", _nameless),
    Rule("the event bus drops what processors add to an entry", "segment.md 11", _added_to),
    Rule("an OAuth application that is named in part is refused at the start", "segment.md 2", _named_in_part),
    Rule("a time given as text or date is read, not refused", "segment.md 5", _timed_otherwise),
    Rule(
        "a name that is no text", "segment.md 4", _any_argument(("event", "name", "category"), int | list, empty=False)
    ),
    Rule("an empty value that is no map", "segment.md 4", _any_argument(_MAPS, list | str | int, empty=True)),
    Rule(
        "bytes, which our records spell in base64, and values that they cannot hold",
        "segment.md 6",
        lambda subject: holds(subject.input["calls"], *OTHERWISE),
    ),
    Rule("sizes are those of our bytes, without the library's spaces", "segment.md 7", _refused_for_its_spaces),
    Rule("a full queue loses nothing: the partition pauses", "segment.md 7", _over_the_queue),
    Rule(
        "a sink that must not send is not enabled",
        "segment.md 14",
        lambda subject: subject.input["client"].get("send") is False,
    ),
    Rule(
        "a host that ends in /v1 is refused at the start",
        "segment.md 1",
        lambda subject: subject.input["client"].get("host", "").endswith("/v1"),
    ),
)
