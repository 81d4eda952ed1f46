"""Flagship: captures of its Python SDKs 2.1.5 and 3.0.1. Each shows what the last of some steps made a process send.

A process keeps a visitor's ids and context, and our events carry them; so the steps before the last one only shape the
events of the last. What a process does to decide (polling the file, asking the API) is compared where a step does
nothing else. Departures that the comparison allows, by the vendor's sheet: a queue time may differ by less than a
second, because the SDK cuts the time of a hit to whole seconds (14), and we wait for company a little; truth in a
segment is written in lower case (20, number 12).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from connector.domain.events import ConsentChange, Exposure, Screen
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.pipeline.options import RouteOptions
from tests.parity.capture import Capture, Expected, Outcome, Rule, Scenario, Subject, Vendor, Wire
from tests.parity.flagship_process import BEGAN_MS, inputs

ASKER = "kafka-vendor-connector"
PURPOSE = "tracking"
CUT_MS = 999


def captures(document: Any) -> Sequence[Capture]:
    return [Capture(one["name"], Subject(one["input"], version=one["sdk"]), one) for one in document["captures"]]


# The scenario


def scenario(subject: Subject) -> Scenario:
    given = subject.input
    old = subject.version == "2.1.5"
    environ = {
        "FLAGSHIP_ENV_ID": given["env_id"],
        "FLAGSHIP_API_KEY": given["api_key"],
        "FLAGSHIP_MODE": "api" if given["mode"] == "DECISION_API" else "bucketing",
        "FLAGSHIP_PROTOCOL": "single" if old else "batch",
        "FLAGSHIP_DECISION_RULES": "python-2.1" if old else "python-3.0",
        "FLAGSHIP_BATCH_SIZE": str(given["config"].get("max_pool_size", 20)),
        "FLAGSHIP_POLLING_INTERVAL": "1s",
    }
    events, polls = inputs(subject), _polls(subject)
    refuses = not given["visitor"].get("consent", True)
    return Scenario(
        environ=environ,
        # A poll that follows another has its time: an event that nobody takes keeps the flow from ending.
        inputs=[Screen(name="waits", user_id="u")] if polls else events,
        answer=_answers(given, takes=not polls),
        # The stream begins where the process stood when its last step was over.
        began_ms=BEGAN_MS + sum(step.get("ms", 0) for step in given["steps"]),
        route=RouteOptions(consent=PURPOSE) if refuses else RouteOptions(),
        lasts_s=2.5,
    )


def _polls(subject: Subject) -> bool:
    return subject.input["steps"][-1]["op"] in ("start", "poll_bucketing")


def _answers(given: Mapping[str, Any], *, takes: bool) -> Callable[[HttpRequest], HttpResponse]:
    def answer(request: HttpRequest) -> HttpResponse:
        if "/campaigns/" in request.url:
            return HttpResponse(200, {}, msgspec.json.encode(given["server"]["campaigns"]["body"]))
        if request.url.endswith("/bucketing.json"):
            file = given["server"]["bucketing"]
            if "If-Modified-Since" in request.headers:
                return HttpResponse(304)
            headers = {name.lower(): value for name, value in file["headers"].items()}
            return HttpResponse(200, headers, msgspec.json.encode(file["body"]))
        return HttpResponse(204 if takes else 503)

    return answer


# What the SDK did


def outcome(capture: Capture) -> Outcome:
    subject = capture.subject
    first = capture.raw["request"]
    requests = tuple(_expected(one) for one in capture.raw.get("requests", [first] if first else []))
    if _polls(subject):
        return Outcome(requests, ({"open": 1},), goes_on=True, concerns=_poll_like(requests[0].wire))
    return Outcome(requests, (_ends(subject, requests),), concerns=_of_the_visitor(requests))


def _expected(request: Mapping[str, Any]) -> Expected:
    headers = {name.lower(): value for name, value in request["headers"].items()}
    return Expected(Wire(request["method"], request["path"], headers, request["body"] or ""))


def _poll_like(expected: Wire) -> Callable[[Wire], bool]:
    conditional = "if-modified-since" in expected.headers
    return lambda wire: wire.method == "GET" and ("if-modified-since" in wire.headers) is conditional


def _of_the_visitor(requests: Sequence[Expected]) -> Callable[[Wire], bool]:
    """Tell what is sent of the visitor, and is told by the step: its decisions only where they are the step."""
    decides = any("/campaigns/" in one.wire.path for one in requests)
    item = any(isinstance(one.wire.body, dict) and one.wire.body.get("t") == "ITEM" for one in requests)

    def concerns(wire: Wire) -> bool:
        if wire.method == "GET":
            return False
        if "/campaigns/" in wire.path:
            return decides and wire.body["visitorId"] != ASKER
        return not item or wire.body.get("t") != "TRANSACTION"

    return concerns


def _ends(subject: Subject, requests: Sequence[Expected]) -> Mapping[str, int]:
    """Return how our inputs must end: delivered, but for what the SDK keeps back and a flag that is asked for only."""
    events, found = inputs(subject), dict[str, int]()
    server = subject.input["server"]
    panic = any(part["body"].get("panic") for part in server.values())
    refuses = not subject.input["visitor"].get("consent", True)
    for event in events:
        kept_back = panic or (refuses and not isinstance(event, ConsentChange))
        if kept_back or (isinstance(event, Exposure) and not any("activate" in one.wire.path for one in requests)):
            end = "skipped"
        else:
            end = "delivered" if requests else "dead_lettered"
        found[end] = found.get(end, 0) + 1
    return found


# What is alike


def normal(wire: Wire) -> Wire:
    body = wire.body
    if not isinstance(body, dict):
        return wire
    for name in ("h", "batch"):
        if isinstance(body.get(name), list):
            body = {**body, name: [_normal_item(one) for one in body[name]]}
    return Wire(wire.method, wire.path, wire.headers, body)


def _normal_item(item: Mapping[str, Any]) -> Mapping[str, Any]:
    found = dict(item)
    if isinstance(found.get("s"), Mapping):
        found["s"] = {key: value.lower() if value in ("True", "False") else value for key, value in found["s"].items()}
    return found


# What is out of scope


def _ends_with(*operations: str) -> Callable[[Subject], bool]:
    return lambda subject: subject.input["steps"][-1]["op"] in operations


def _reads_only(subject: Subject) -> bool:
    step = subject.input["steps"][-1]
    return (step["op"] == "get_modification" and not step.get("activate")) or (
        step["op"] == "get_flag" and not step.get("exposed", True)
    )


def _nothing_happened(subject: Subject) -> bool:
    step = subject.input["steps"][-1]
    unsent = step["op"] == "update_context" and not step.get("synchronize")
    return unsent or (step["op"] == "flush" and not inputs(subject))


SCOPE = (
    Rule(
        "reading a flag in a process sends nothing", "flagship.md 10", _ends_with("get_modification_info", "metadata")
    ),
    Rule("reading a flag without exposing it sends nothing", "flagship.md 10", _reads_only),
    Rule(
        "not a hit: no event of ours becomes one",
        "flagship.md 13",
        lambda subject: subject.input["steps"][-1].get("type") == "NOT_A_HIT",
    ),
    Rule("nothing happened, so there is no event", "flagship.md 14", _nothing_happened),
    Rule(
        "a visitor without an id gets none made up: every attempt would be another visitor",
        "flagship.md 2",
        lambda subject: not subject.input["visitor"]["id"],
    ),
    Rule(
        "hits one by one in the newer form: an undocumented strategy",
        "flagship.md 14",
        lambda subject: "NO_BATCHING" in subject.input["config"].get("strategy", ""),
    ),
    Rule(
        "a login that replaces the context drops the SDK's own keys",
        "flagship.md 2",
        lambda subject: any("context" in one for one in subject.input["steps"] if one["op"] == "authenticate"),
    ),
    Rule(
        "what a process keeps of a visitor is no request",
        "flagship.md 9",
        lambda subject: "cached" in subject.input["visitor"],
    ),
)  # fmt: skip

VENDOR = Vendor(
    name="flagship",
    captures=captures,
    scope=SCOPE,
    scenario=scenario,
    outcome=outcome,
    headers=frozenset({"content-type", "host", "if-modified-since", "x-api-key", "x-sdk-client", "x-sdk-version"}),
    normal=normal,
    near={"qt": CUT_MS},
)
