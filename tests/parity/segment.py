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

from joserfc import jwt
from joserfc.jwk import RSAKey

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import Ambiguous
from tests.parity.capture import Answer, Capture, Expected, Outcome, Scenario, Subject, Vendor, Wire
from tests.parity.segment_events import BEGAN_MS, calls_of, entry_of, event_of, route_of
from tests.parity.segment_scope import SCOPE

PORT = "8080"
OK = HttpResponse(200, {}, b'{"success": true}')
STOPS = {401, 403, 404, 405, 407, 501, 505, 511}


def captures(document: Any) -> Sequence[Capture]:
    return [Capture(one["name"], _subject(one), one) for one in document]


def _subject(raw: Mapping[str, Any]) -> Subject:
    calls = sorted({call.get("method") or call["via"] for call in calls_of(raw["input"])})
    return Subject(raw["input"], raw["group"], " + ".join(calls))


def scenario(subject: Subject) -> Scenario:
    given = subject.input
    return Scenario(
        environ=_environ(given["client"]),
        inputs=[event_of(call) if "method" in call else entry_of(call) for call in calls_of(given)],
        answer=_answers(given),
        began_ms=BEGAN_MS,
        route=route_of(given),
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
    ends = _ends(raw, len(calls_of(raw["input"])))
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
        # What the backend's own library refuses is nobody's entry to us, or an entry that is too large.
        backend = "via" in raw["input"]["calls"][0]
        return ({"dead_lettered": calls}, {"skipped": calls}) if backend else ({"dead_lettered": calls},)
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
    batch = [normal_message(message) for message in wire.body["batch"]]
    return Wire(wire.method, wire.path, wire.headers, {**wire.body, "batch": batch})


def normal_message(message: Mapping[str, Any]) -> Mapping[str, Any]:
    context = {key: value for key, value in message["context"].items() if key != "library"}
    # That each side names itself is compared; with what words is not.
    assert message["context"]["library"].keys() == {"name", "version"}
    at = datetime.fromisoformat(message["timestamp"]).astimezone(UTC).isoformat(timespec="milliseconds")
    return {**message, "context": context, "timestamp": at}


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
