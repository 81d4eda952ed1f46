"""Segment's captured calls as events of ours: those of its library, and entries of Open edX's tracking log. Pure."""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from connector.domain.events import KINDS, Event, TrackingLog
from connector.errors import Undecodable
from connector.pipeline.conversion import as_millis, as_text
from connector.pipeline.options import RouteOptions
from connector.pipeline.tracking_log import TrackingLogRule
from tests.parity.values import plain

BEGAN_MS = 1_741_064_767_891  # 2025-03-04T05:06:07.891, at which the captures' clock stood

_FIELDS = {"event": "name"}
_TEXTS = ("user_id", "anonymous_id", "message_id")
_CONTEXT = {
    "ip": "ip", "userAgent": "user_agent", "locale": "locale", "timezone": "timezone", "page": "page",
    "campaign": "campaign",
}  # fmt: skip


def calls_of(given: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the calls, where `$more` stands for further ones each with the next number in its message id."""
    calls: list[Mapping[str, Any]] = []
    for call in given["calls"]:
        if "$more" not in call:
            calls.append(call)
            continue
        last = calls[-1]
        for _ in range(call["$more"]):
            last = {**last, "args": {**last["args"], "message_id": _next(last["args"]["message_id"])}}
            calls.append(last)
    return calls


def _next(name: str) -> str:
    return re.sub(r"\d+$", lambda digits: str(int(digits[0]) + 1).zfill(len(digits[0])), name)


def event_of(call: Mapping[str, Any]) -> Event | Undecodable:
    """Make the event of one call; null is absent, and what its types refuse is no event."""
    fields: dict[str, Any] = {}
    for name, value in call["args"].items():
        if name == "timestamp":
            fields["timestamp_ms"] = as_millis(plain(value))
        elif value is not None:
            fields[_FIELDS.get(name, name)] = as_text(value) if name in _TEXTS else plain(value)
    if isinstance(fields.get("context"), Mapping):
        fields["context"] = _context(fields["context"])
    try:
        return msgspec.convert(fields, KINDS[call["method"].capitalize()])
    except msgspec.ValidationError:
        return Undecodable("bad_field")


def _context(given: Mapping[str, Any]) -> Mapping[str, Any]:
    known = {_CONTEXT[key]: value for key, value in given.items() if key in _CONTEXT}
    return {**known, "extra": {key: value for key, value in given.items() if key not in _CONTEXT}}


# From Open edX's vocabulary


def entry_of(call: Mapping[str, Any]) -> Event | Undecodable:
    """Make the event of an entry as the event bus publishes it: four texts, the last two JSON."""
    logged = plain(call["event"]) if "event" in call else _emitted(call)
    texts = {name: json.dumps(logged[name]) for name in ("data", "context") if name in logged}
    try:
        fields = TrackingLogRule().apply({"tracking_log": {**logged, **texts}})
        return msgspec.convert(fields, TrackingLog)
    except Undecodable as refused:
        return refused
    except msgspec.ValidationError:
        return Undecodable("bad_field")


def _emitted(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """Build what the tracker hands to its backends; of entered contexts the later win."""
    context: dict[str, Any] = {}
    for _, entered in call["contexts"]:
        context |= entered
    now = datetime.fromtimestamp(BEGAN_MS / 1000, UTC).isoformat()
    return {"name": call["name"] or "unknown", "timestamp": now, "data": call["data"] or {}, "context": context}


def route_of(given: Mapping[str, Any]) -> RouteOptions:
    """Make our patterns of the processors: whole names, and expressions that both match at the start."""
    allow: list[str] = []
    deny: list[str] = []
    for text in (text for call in given["calls"] for text in call.get("processors", ())):
        name, arguments = re.fullmatch(r"(\w+)\((.*)\)", text).groups()  # type: ignore[union-attr]
        *kind, patterns = ast.literal_eval(f"({arguments},)")
        if name == "NameWhitelistProcessor":
            allow += [re.escape(one) + r"\Z" for one in patterns]
        else:
            (allow if kind == ["allowlist"] else deny).extend(patterns)
    return RouteOptions(tuple(allow), tuple(deny))
