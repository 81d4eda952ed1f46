"""SuprSend: captures of its Python SDK 0.20.0.

Departures that the comparison allows, by the vendor's sheet: we always use the bulk addresses (5 to 8: a single is an
array of one, its reply a row); an event or workflow always has an idempotency key (15), for which the padding of a
capture at the edge of a limit makes room; the SDK reports a failure where we send again, and crashes on replies that we
read as ambiguous (14); redirects are not followed (14).
"""

import hashlib
import hmac
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import msgspec

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import NotSent
from connector.sinks.contract import Sink
from connector.sinks.suprsend import SuprsendSink
from connector.sinks.suprsend.settings import SuprsendSettings
from tests.parity.capture import Answer, Capture, Rule, Scenario, Subject, Vendor, Wire
from tests.parity.suprsend_inputs import CHANGES, CHANNELS, EVENTS, SINGLE_VALUES, USERS, WORKFLOWS, inputs
from tests.parity.suprsend_outcomes import outcome

BEGAN_MS = 1_735_689_600_250  # 2025-01-01T00:00:00.250Z, at which the captures' clock stood
HOST = "http://127.0.0.1:8080"
SECRETS = {
    "wskey_AbCdEfGhIjKlMnOpQrSt": "wssecret_0123456789abcdefghijklmnop",
    "kkkkkkkkkkkkkkkkkkkk": "wssecret_0123456789abcdefghijklmnop",
    "workspace_key": "workspace_secret",
}


def captures(document: Any) -> Sequence[Capture]:
    return [
        Capture(one["name"], Subject(one["input"], call=one["input"]["call"], version=one["sdk_version"]), one)
        for one in document
    ]


# What the SDK was told


def scenario(subject: Subject) -> Scenario:
    given = subject.input
    by_name = given.get("mime_detection") == "extension"
    return Scenario(
        environ=_environ(given["client"]),
        inputs=inputs(given),
        answer=_answers(given),
        began_ms=BEGAN_MS,
        make=_without_libmagic if by_name else None,
    )


def _without_libmagic(environ: Mapping[str, str]) -> Sink:
    return SuprsendSink(SuprsendSettings.load(environ), None)


def _environ(client: Mapping[str, Any]) -> Mapping[str, str]:
    padding = client.get("base_url_padding", "")
    environ = {"SUPRSEND_BASE_URL": f"{padding}{HOST}{client.get('base_path', '/')}{padding}"}
    names = {
        "workspace_key": "SUPRSEND_WORKSPACE_KEY",
        "workspace_secret": "SUPRSEND_WORKSPACE_SECRET",
        "workspace_uid": "SUPRSEND_WORKSPACE_UID",
        "api_key": "SUPRSEND_API_KEY",
    }
    return environ | {variable: client[name] for name, variable in names.items() if client.get(name) is not None}


def _answers(given: Mapping[str, Any]) -> Callable[[HttpRequest], Answer]:
    """Answer by the script in turn, and then take everything; but a fault in the set-up lasts."""
    script: Sequence[Any] = given.get("server_replies", ())
    turns = count()

    def answer(request: HttpRequest) -> Answer:
        if given["client"].get("unreachable"):
            return NotSent("connect")
        turn = 0 if script and _lasts(script[0]) else next(turns)
        return _reply(script[turn] if turn < len(script) else "default", request)

    return answer


def _lasts(scripted: Any) -> bool:
    return scripted != "default" and (scripted["status"] in (401, 403) or 300 <= scripted["status"] < 400)


def _reply(scripted: Any, request: HttpRequest) -> HttpResponse:
    records = msgspec.json.decode(request.body)
    taken = {"status": "success", "status_code": 202, "message_id": "m"}
    if scripted == "default":
        return HttpResponse(207, {}, msgspec.json.encode({"records": [taken] * len(records)}))
    body = scripted["body"].encode()
    if 200 <= scripted["status"] < 300 and b'{"message_id"' in body[:14]:
        body = msgspec.json.encode({"records": [taken]})
    return HttpResponse(scripted["status"], {}, body)


# What is alike


def normal(wire: Wire) -> Wire:
    """Bring a request to one of its forms: an array to the bulk address, whoever sent it named by nothing."""
    path = re.sub("v2/event/$", "v2/bulk/event/", wire.path)
    body = [wire.body] if isinstance(wire.body, dict) and "bytes" not in wire.body else wire.body
    if isinstance(body, list):
        body = [_unnamed(record) for record in body]
    headers = {**wire.headers, "authorization": _authorised(wire)}
    if "date" in headers:
        headers["date"] = "given"
    return Wire(wire.method, path, headers, body)


def _unnamed(record: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = record.get("properties")
    if not isinstance(properties, Mapping):
        return record
    assert properties["$ss_sdk_version"]
    return {**record, "properties": {**properties, "$ss_sdk_version": "named"}}


def _authorised(wire: Wire) -> str:
    """Check a signature by the sheet's recipe (2.1), over the very bytes; a bearer's is compared as it is."""
    given = wire.headers["authorization"]
    if given.startswith("Bearer "):
        return given
    digest = wire.headers.get("content-md5") or hashlib.md5(wire.sent, usedforsecurity=False).hexdigest()
    lines = (wire.method, digest, wire.headers["content-type"], wire.headers["date"], wire.path)
    key, _, signature = given.partition(":")
    made = hmac.new(SECRETS[key].encode(), "\n".join(lines).encode(), "sha256").digest()
    return f"{key}: signed" if b64encode(made).decode() == signature else given


# What is out of scope


def _asked(subject: Subject) -> Iterator[Mapping[str, Any]]:
    args = subject.input["args"]
    for plural, singular in (("workflows", "workflow"), ("events", "event"), ("users", "")):
        given = args.get(plural) or [args.get(singular)]
        yield from (one for one in given if isinstance(one, Mapping) and "__generate__" not in one)


def _holds_objects(subject: Subject) -> bool:
    """Tell whether a value is one that no Avro type gives: a Python object, a key or a body that is none of ours."""
    text = json.dumps(subject.input["args"])
    bodies = [one.get("body") for one in _asked(subject) if "body" in one]
    return "__import__" in text or "{1: " in text or any(not isinstance(one, Mapping) for one in bodies)


def _unknown_methods(subject: Subject) -> bool:
    known = {*CHANGES, *SINGLE_VALUES, "unset"} | {f"{verb}_{name}" for verb in ("add", "remove") for name in CHANNELS}
    users = [*_asked(subject), subject.input["args"]]
    return any(operation[0] not in known for user in users for operation in user.get("ops", ()))


def _long_hours(subject: Subject) -> bool:
    delays = [one["body"].get("delay") for one in _asked(subject) if isinstance(one.get("body"), Mapping)]
    return any(isinstance(delay, str) and re.search(r"(2[4-9]|[3-9]\d)h", delay) for delay in delays)


def _attached(applies: Callable[[Mapping[str, Any], set[str]], bool]) -> Callable[[Subject], bool]:
    def any_applies(subject: Subject) -> bool:
        names = {f"{{FILES}}/{file['name']}" for file in subject.input.get("files", ())}
        return any(applies(file, names) for one in _asked(subject) for file in one.get("attachments", ()))

    return any_applies


SCOPE = (
    Rule("another version, whose wire differs", "suprsend.md 17", lambda subject: subject.version != "0.20.0"),
    Rule(
        "resources, broadcasts and the client's helpers: no event of ours",
        "suprsend.md 9, 10",
        lambda subject: subject.call not in (*EVENTS, *WORKFLOWS, *USERS, "init"),
    ),
    Rule("a Python object is nothing Avro gives", "suprsend.md 4, 6", _holds_objects),
    Rule("a method that the SDK itself does not have", "suprsend.md 18", _unknown_methods),
    Rule("a duration the vendor does not take is refused, not sent", "suprsend.md 15", _long_hours),
    Rule(
        "an attachment goes by https alone",
        "suprsend.md 13",
        _attached(lambda file, names: file["file_path"].startswith("http://")),
    ),
    Rule(
        "a path is refused, not left out",
        "suprsend.md 13",
        _attached(
            lambda file, names: (
                file["file_path"] not in names and file.get("ignore_if_error", False) and "://" not in file["file_path"]
            )
        ),
    ),
)

VENDOR = Vendor(
    name="suprsend",
    captures=captures,
    scope=SCOPE,
    scenario=scenario,
    outcome=outcome,
    headers=frozenset({"authorization", "content-type", "date"}),
    normal=normal,
)
