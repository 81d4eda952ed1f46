"""Segment: captures of its Python library 2.4.0, and of Open edX's backend on top of it.

Departures that the comparison allows, by the vendor's sheet: a time is compared as an instant (5: we send UTC); of
`X-Retry-Count` ours may be more, where the library starts to count anew (8); where it drops a batch for credentials, an
address or a redirect, we keep it and halt (13.9), and where it gives up after some tries, we go on.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.jwk import RSAKey

from connector.domain.events import KINDS, Event
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import Ambiguous, Undecodable
from connector.pipeline.conversion import as_millis, as_text
from tests.parity.capture import Answer, Capture, Expected, Outcome, Rule, Scenario, Subject, Vendor, Wire
from tests.parity.values import holds, plain

BEGAN_MS = 1_741_064_767_891  # 2025-03-04T05:06:07.891, at which the captures' clock stood
PORT = "8080"
OK = HttpResponse(200, {}, b'{"success": true}')
STOPS = {401, 403, 404, 501, 505}


def captures(document: Any) -> Sequence[Capture]:
    return [Capture(one["name"], _subject(one), one) for one in document]


def _subject(raw: Mapping[str, Any]) -> Subject:
    calls = sorted({call.get("method") or call["via"] for call in _calls(raw["input"])})
    return Subject(raw["input"], raw["group"], " + ".join(calls))


def _calls(given: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
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


# From the library's vocabulary to ours

_FIELDS = {"event": "name"}
_TEXTS = ("user_id", "anonymous_id", "message_id")
_CONTEXT = {
    "ip": "ip", "userAgent": "user_agent", "locale": "locale", "timezone": "timezone", "page": "page",
    "campaign": "campaign",
}  # fmt: skip


def scenario(subject: Subject) -> Scenario:
    given = subject.input
    return Scenario(
        environ=_environ(given["client"]),
        inputs=[_event(call) for call in _calls(given)],
        answer=_answers(given),
        began_ms=BEGAN_MS,
    )


def _environ(client: Mapping[str, Any]) -> Mapping[str, str]:
    environ = {
        "SEGMENT_WRITE_KEY": client["write_key"],
        "SEGMENT_HOST": client.get("host", f"http://127.0.0.1:{PORT}").replace("<port>", PORT),
    }
    if client.get("sync_mode") or "upload_size" in client:
        environ["SEGMENT_BATCH_SIZE"] = str(client.get("upload_size", 1))
    if client.get("gzip"):
        environ["SEGMENT_GZIP"] = "on"
    if "oauth_client_id" in client and "oauth_key_id" in client:
        environ["SEGMENT_OAUTH_CLIENT_ID"] = client["oauth_client_id"]
        environ["SEGMENT_OAUTH_KEY_ID"] = client["oauth_key_id"]
        environ["SEGMENT_OAUTH_PRIVATE_KEY"] = private_key()
        environ["SEGMENT_OAUTH_HOST"] = environ["SEGMENT_HOST"]
    return environ


@cache
def private_key() -> str:
    """Make the key that no capture holds."""
    return RSAKey.generate_key(2048).as_pem(private=True).decode()


def _event(call: Mapping[str, Any]) -> Event | Undecodable:
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


def _answers(given: Mapping[str, Any]) -> Any:
    """Answer by the script in turn; after it the last one again, or a plain 200. Tokens have a script of their own."""
    script: Sequence[Any] = given.get("server_replies", ())
    tokens = iter(given.get("token_replies", ()))
    turns = count()

    def answer(request: HttpRequest) -> Answer:
        if request.url.endswith("/token"):
            return _answer(next(tokens))
        turn = next(turns)
        if turn >= len(script) and not given.get("last_reply_repeats"):
            return OK
        return _answer(script[min(turn, len(script) - 1)])

    return answer


def _answer(scripted: Any) -> Answer:
    if scripted == "drop":
        return Ambiguous("reset")
    headers = {name.lower(): value for name, value in scripted.get("headers", {}).items()}
    return HttpResponse(scripted["status"], headers, scripted["body"].encode())


# What the library did


def outcome(capture: Capture) -> Outcome:
    raw = capture.raw
    requests = tuple(_expected(raw))
    ends = _ends(raw, len(_calls(raw["input"])))
    return Outcome(requests, ends, goes_on=ends == ({"open": 1},))


def _expected(raw: Mapping[str, Any]) -> Iterator[Expected]:
    single = [raw["request"]] if "request" in raw else []
    for request in raw.get("requests", single):
        for attempt in raw.get("attempts", [{}]):
            headers = {name.lower(): value for name, value in {**request["headers"], **attempt}.items() if value}
            path = request["path"].replace("<port>", PORT)
            varies = tuple(request["varies"])
            if "jwt_claims" in request:
                claims = {**request["jwt_claims"], "aud": request["jwt_claims"]["aud"].replace("<port>", PORT)}
                shown = {"form": request["body_text"], "header": request["jwt_header"], "claims": claims}
                yield Expected(Wire(request["method"], path, headers, shown), ("claims.jti",), _assertion)
            elif "body_summary" in request:
                shown = {key: value for key, value in request["body_summary"].items() if "bytes" not in key}
                yield Expected(Wire(request["method"], path, headers, shown), view=_summary)
            else:
                yield Expected(Wire(request["method"], path, headers, request["body"]), varies)


def _summary(body: Any) -> Any:
    batch = body["batch"]
    return {
        "top_level_keys": list(body),
        "batch_len": len(batch),
        "first_messageId": batch[0]["messageId"],
        "last_messageId": batch[-1]["messageId"],
    }


def _assertion(form: str) -> Any:
    """Take the token request apart; that the clock stood still makes its times comparable."""
    (signed,) = re.findall(r"&client_assertion=([^&]*)", form)
    token = jwt.decode(signed, RSAKey.import_key(private_key()), algorithms=["RS256"])
    return {"form": form.replace(signed, "<jwt>"), "header": token.header, "claims": token.claims}


def _ends(raw: Mapping[str, Any], calls: int) -> tuple[Mapping[str, int], ...]:
    if "skipped" in raw:
        return ({"skipped": calls},)
    if "error" in raw:
        return ({"dead_lettered": calls},)
    if "errors" in raw:
        refused = len(raw["errors"])
        return ({"delivered": calls - refused, "dead_lettered": refused},)
    if "on_error" in raw:
        status = raw["on_error"][0]["status"]
        kept = status in STOPS or 300 <= status < 400 or "attempts" in raw
        return ({"open" if kept else "dead_lettered": calls},)
    return ({"delivered": calls},)


# What is alike


def normal(wire: Wire) -> Wire:
    if not isinstance(wire.body, dict) or not isinstance(wire.body.get("batch"), list):
        return wire
    batch = [_normal_message(message) for message in wire.body["batch"]]
    return Wire(wire.method, wire.path, wire.headers, {**wire.body, "batch": batch})


def _normal_message(message: Mapping[str, Any]) -> Mapping[str, Any]:
    context = {key: value for key, value in message["context"].items() if key != "library"}
    # That each side names itself is compared; with what words is not.
    assert message["context"]["library"].keys() == {"name", "version"}
    at = datetime.fromisoformat(message["timestamp"]).astimezone(UTC).isoformat(timespec="milliseconds")
    return {**message, "context": context, "timestamp": at}


# What is out of scope


def _arguments(subject: Subject) -> Iterator[Mapping[str, Any]]:
    return (call["args"] for call in _calls(subject.input) if "args" in call)


def _any_argument(name: str, *kinds: type, empty: bool | None = None) -> Any:
    def applies(subject: Subject) -> bool:
        given = [arguments[name] for arguments in _arguments(subject) if name in arguments]
        return any(isinstance(one, kinds) and (empty is None or bool(one) is not empty) for one in given)

    return applies


def _timed_otherwise(subject: Subject) -> bool:
    given = [arguments["timestamp"] for arguments in _arguments(subject) if "timestamp" in arguments]
    return any(not holds(one, "$datetime") for one in given)


def _told(option: str, told: object) -> Any:
    return lambda subject: subject.input["client"].get(option) == told


def _named_in_part(subject: Subject) -> bool:
    named = [option for option in subject.input["client"] if option.startswith("oauth_")]
    return len(named) == 1


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
    Rule("Open edX: no event of ours yet", "segment.md 10", lambda subject: subject.group.startswith("edx")),
    Rule("an OAuth application that is named in part is refused at the start", "segment.md 2", _named_in_part),
    Rule("a time given as text or date is read, not refused", "segment.md 5", _timed_otherwise),
    Rule("a number as the event's name is written as text", "segment.md 4", _any_argument("event", int)),
    Rule("an empty list is no map to Avro", "segment.md 4", _any_argument("properties", list, empty=True)),
    Rule(
        "bytes of a record are base64, not guessed to be text",
        "segment.md 6",
        lambda subject: holds(subject.input["calls"], "$bytes_hex", "$bytearray_hex"),
    ),
    Rule("sizes are those of our bytes, without the library's spaces", "segment.md 7", _refused_for_its_spaces),
    Rule("a full queue loses nothing: the partition pauses", "segment.md 7", _told("max_queue_size", 2)),
    Rule("a sink that must not send is not enabled", "segment.md 7", _told("send", False)),
    Rule(
        "a host that ends in /v1 is refused at the start",
        "segment.md 1",
        lambda subject: subject.input["client"].get("host", "").endswith("/v1"),
    ),
)

VENDOR = Vendor(
    name="segment",
    captures=captures,
    scope=SCOPE,
    scenario=scenario,
    outcome=outcome,
    headers=frozenset({"authorization", "content-encoding", "content-type", "x-retry-count"}),
    normal=normal,
    counted=frozenset({"x-retry-count"}),
)
