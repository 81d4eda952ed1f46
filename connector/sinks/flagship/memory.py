"""What is remembered of a visitor between their events, in the documents the SDKs keep in their visitor caches. Pure.

Source: sheet section 9.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from connector.sinks.flagship.bucketing import Assigned, Decision
from connector.sinks.flagship.rules import Rules, Scalar
from connector.sinks.flagship.visitor import Visitor, scalars

_VERSION = 1


class Memory(Struct, frozen=True):
    """`data` is the document's own, so that what others wrote into it stays."""

    assigned: Assigned = Assigned()
    anonymous_id: str | None = None
    context: Mapping[str, Scalar] = {}
    data: Mapping[str, Any] = {}


NOTHING = Memory()


def recall(fact: object, visitor_id: str) -> Memory:
    """Read a document of either form; one that is broken, of another version or another visitor counts as none."""
    if not isinstance(fact, bytes):
        return NOTHING
    try:
        document = msgspec.json.decode(fact)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NOTHING
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict) or document.get("version") != _VERSION or document["version"] is True:
        return NOTHING
    if data.get("vId") == visitor_id and isinstance(data.get("vaIds"), list):
        return Memory(Assigned(variations=tuple(one for one in data["vaIds"] if isinstance(one, str))), data=data)
    if data.get("visitorId") != visitor_id:
        return NOTHING
    context: dict[str, Any] = data["context"] if isinstance(data.get("context"), dict) else {}
    anonymous_id = data.get("anonymousId")
    return Memory(
        Assigned(_texts(data.get("assignationHistory"))),
        anonymous_id if isinstance(anonymous_id, str) and anonymous_id else None,
        scalars(context),
        data,
    )


def _texts(raw: Any) -> dict[str, str]:
    given = raw.items() if isinstance(raw, dict) else ()
    return {key: value for key, value in given if isinstance(value, str)}


def assignments(
    memory: Memory, visitor: Visitor, decision: Decision, rules: Rules, changed: Mapping[str, Any] = {}
) -> bytes | None:
    """Return the document after a decision, and what else changed of it; None where it says nothing new."""
    if not rules.whole_history:
        variations = list(dict.fromkeys(owner.variation_id for owner in decision.owners.values()))
        if variations == memory.data.get("vaIds"):
            return None
        return _document({"vId": visitor.id, "vaIds": variations})
    had = memory.assigned.history
    chosen = {one.group_id: one.variation_id for one in decision.choices if one.group_id and one.variation_id}
    history: dict[str, str] = {**chosen, **had}
    return None if history == had and not changed else whole(memory, visitor, assignationHistory=history, **changed)


def whole(memory: Memory, visitor: Visitor, **changed: Any) -> bytes:
    """Return the document of 3.0 with some of its parts changed."""
    data: dict[str, Any] = {
        "visitorId": visitor.id,
        "anonymousId": visitor.anonymous_id,
        "isAuthenticated": visitor.anonymous_id is not None,
        "consent": True,
        "context": {},
        "campaigns": [],
        "assignationHistory": {},
    }
    if "visitorId" in memory.data:
        data.update(memory.data)
    if visitor.anonymous_id is not None:
        data.update(anonymousId=visitor.anonymous_id, isAuthenticated=True)
    data.update(changed)
    return _document(data)


def _document(data: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({"version": _VERSION, "data": data})
