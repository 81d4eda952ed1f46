"""mParticle: captures of its Python SDK 0.16.1, the inputs it refused and its reactions to replies.

Departures that the comparison allows, by the vendor's sheet: a batch's id is ours, made of its events', and an event
always bears one (15); where the SDK gives up on a reply, we halt or go on (13); a redirect is not followed (13).
Numbers are compared by value: 1 and 1.0 are one number in JSON.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import msgspec

from connector.domain.events import Event
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import Ambiguous, Undecodable
from tests.parity.capture import Answer, Capture, Expected, Outcome, Scenario, Subject, Vendor, Wire
from tests.parity.mparticle_events import events_of
from tests.parity.mparticle_scope import SCOPE

HOST = "http://127.0.0.1:8080"
BEGAN_MS = 1_700_000_100_000
TAKEN = HttpResponse(202)
# Of the reactions: the SDK took these for success, and these we keep while the vendor is put right.
DELIVERED = range(200, 206)
REFUSED = (400, 413)
# What the SDK was asked in every reaction.
ASKED: Mapping[str, Any] = {
    "endpoint": "single",
    "credentials": {"key": "example-api-key", "secret": "example-api-secret"},
    "batches": [{"environment": "development"}],
}


def captures(document: Any) -> Sequence[Capture]:
    """Read captured requests, as a list; and refused inputs and reactions, as an object."""
    if isinstance(document, list):
        return [Capture(one["name"], Subject(one["input"], "captured"), one) for one in document]
    found = captures(document.get("captures", []))
    refused = [
        Capture(one["name"], Subject(one["input"], "refused"), one) for one in document["rejected_before_sending"]
    ]
    reactions = [
        Capture(one["name"], Subject({**ASKED, "replies": one["responses_scripted"]}, "reaction"), one)
        for one in document["reactions"]
    ]
    return [*found, *refused, *reactions]


def scenario(subject: Subject) -> Scenario:
    given = subject.input
    return Scenario(
        environ=_environ(given),
        inputs=list(_inputs(given)),
        answer=_answers(given.get("replies", ())),
        began_ms=max([BEGAN_MS, *_times_ms(given)]),
    )


def _environ(given: Mapping[str, Any]) -> Mapping[str, str]:
    credentials = given.get("credentials") or ASKED["credentials"]
    several = any(len(batch.get("events") or ()) > 1 for batch in given["batches"])
    return {
        "MPARTICLE_HOST": HOST,
        "MPARTICLE_KEY": credentials["key"],
        "MPARTICLE_SECRET": credentials["secret"],
        "MPARTICLE_UPLOAD": given["endpoint"],
        "MPARTICLE_MERGE": "on" if several else "off",
    }


def _inputs(given: Mapping[str, Any]) -> Iterator[Event | Undecodable]:
    for batch in given["batches"]:
        try:
            yield from events_of(batch)
        except msgspec.ValidationError:
            yield Undecodable("bad_field")


def _times_ms(given: Mapping[str, Any]) -> Iterator[int]:
    return (event["time_ms"] for batch in given["batches"] for event in batch.get("events") or () if "time_ms" in event)


def _answers(script: Sequence[Mapping[str, Any]]) -> Any:
    """Answer by the script, whose last reply repeats unless it asks for a wait: then it is over."""
    turns = count()

    def answer(request: HttpRequest) -> Answer:
        turn = next(turns)
        if not script or (turn >= len(script) and "Retry-After" in script[-1]["headers"]):
            return TAKEN
        return _answer(script[min(turn, len(script) - 1)])

    return answer


def _answer(scripted: Mapping[str, Any]) -> Answer:
    if scripted["status"] == "drop":
        return Ambiguous("reset")
    headers = {name.lower(): value for name, value in scripted["headers"].items()}
    return HttpResponse(scripted["status"], headers, scripted["body"].encode())


# What the SDK did


def outcome(capture: Capture) -> Outcome:
    inputs = len(list(_inputs(capture.subject.input)))
    if capture.subject.group == "captured":
        return Outcome((_expected(capture.raw["request"]),), ({"delivered": inputs},))
    if capture.subject.group == "refused":
        return Outcome((), ({"dead_lettered": inputs},))
    request = {"method": "POST", "path": "/v2/events", "headers": _HEADERS, "body": ASKED["batches"][0]}
    end = _end(capture.subject.input["replies"][0])
    return Outcome((_expected(request),), ({end: inputs},), goes_on=end == "open" or _asks(capture))


_HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "Authorization": "Basic ZXhhbXBsZS1hcGkta2V5OmV4YW1wbGUtYXBpLXNlY3JldA==",
}


def _asks(capture: Capture) -> bool:
    return "Retry-After" in capture.subject.input["replies"][0]["headers"]


def _end(reply: Mapping[str, Any]) -> str:
    status = reply["status"]
    if status in DELIVERED or ("Retry-After" in reply["headers"] and len(reply["headers"]["Retry-After"]) < 3):
        return "delivered"
    return "dead_lettered" if status in REFUSED else "open"


def _expected(request: Mapping[str, Any]) -> Expected:
    headers = {name.lower(): value for name, value in request["headers"].items()}
    theirs = request["body"]
    batches = theirs if isinstance(theirs, list) else [theirs]
    single = theirs is not batches
    named = [
        "source_request_id" if single else f"[{number}].source_request_id"
        for number, batch in enumerate(batches)
        if "source_request_id" in batch
    ]
    wire = Wire(request["method"], request["path"], headers, theirs)
    return Expected(wire, tuple(named), lambda ours: _as_named(ours, theirs))


def _as_named(ours: Any, theirs: Any) -> Any:
    """Drop the ids that we add: of batches and events to which the SDK was given none."""
    if isinstance(ours, list):
        return (
            [_as_named(our, their) for our, their in zip(ours, theirs, strict=True)] if _alike(ours, theirs) else ours
        )
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        return ours
    kept = {}
    for key, value in ours.items():
        if key in ("source_request_id", "source_message_id") and key not in theirs:
            assert value
            continue
        kept[key] = _as_named(value, theirs.get(key))
    return kept


def _alike(ours: list[Any], theirs: Any) -> bool:
    return isinstance(theirs, list) and len(ours) == len(theirs)


# What is alike


def normal(wire: Wire) -> Wire:
    return Wire(wire.method, wire.path, wire.headers, _numbers(wire.body))


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(one) for one in value]
    if isinstance(value, dict):
        return {key: _numbers(one) for key, one in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


VENDOR = Vendor(
    name="mparticle",
    captures=captures,
    scope=SCOPE,
    scenario=scenario,
    outcome=outcome,
    headers=frozenset({"accept", "authorization", "content-type"}),
    normal=normal,
)
