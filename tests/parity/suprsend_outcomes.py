"""What SuprSend's Python SDK sent, returned and refused, as what ours must come to. Pure."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from connector.sinks.suprsend.request import LIBRARY
from tests.parity.capture import Capture, Expected, Outcome, Wire
from tests.parity.suprsend_inputs import inputs, is_padded

RECORD_NAMES = ("distinct_id", "name", "workflow")
JUDGED = ("track_event", "bulk_events", "workflows.trigger", "workflows.bulk_trigger")


def outcome(capture: Capture) -> Outcome:
    raw = capture.raw
    asked = len(inputs(raw["input"]))
    requests = _requests(raw)
    expected = tuple(_expected(one) for one in requests)
    if raw.get("error", {}).get("kind") == "config":
        return Outcome((), ({"refused_at_start": 1},))
    if raw["input"]["client"].get("unreachable"):
        return Outcome((), ({"open": asked},), goes_on=True)
    ends, goes_on = Counter[str](), False
    for request in requests:
        judged, again = _judged(capture.subject.call, request)
        ends += judged
        goes_on = goes_on or again
    causes = Counter(refused=ends["dead_lettered"])
    local = Counter(_cause(text, kind) for text, kind in _refusals(raw))
    ends["dead_lettered"] += local.total()
    return Outcome(expected, (+ends,), goes_on, +(causes + local))


def _requests(raw: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the requests, but for those that follow a redirect."""
    found = raw.get("requests") or [raw.get("request")]
    return [one for one in found if one is not None][: 1 if raw["input"].get("unsigned_followup") else None]


def _judged(call: str, request: Mapping[str, Any]) -> tuple[Counter[str], bool]:
    """Tell how the records of a request must end by its reply, and whether they may be sent again."""
    records, reply = request.get("record_count", 1), request["reply"]
    status = reply["status"]
    if status in (401, 403) or 300 <= status < 400:
        return Counter(open=records), True
    if status in (400, 404):
        return Counter(dead_lettered=records), False
    if status >= 300 or (call in JUDGED and not _is_object(reply["body"])):
        return Counter(delivered=records), True
    rows = msgspec.json.decode(reply["body"]).get("records") if call in JUDGED else None
    if rows is None:
        return Counter(delivered=records), False
    if len(rows) != records:
        return Counter(delivered=records), True
    failed = sum(row["status"] == "error" for row in rows)
    return Counter(delivered=records - failed, dead_lettered=failed), False


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except msgspec.DecodeError:
        return False


def _refusals(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what the SDK refused to send: why, and of what kind that is."""
    error = raw.get("error")
    if error is not None and error["raised"] == "before sending":
        yield error["message"], error["kind"]
    result = raw.get("result") or {}
    if "size too big" in str(result.get("message")):
        yield result["message"], "input"
    for failed in result.get("failed_records", ()):
        # Those of the server hold its own words and a status; a traceback is that of the schema.
        text = failed["error"] or ""
        if failed["code"] == 500 and isinstance(text, dict):
            yield text["traceback_ending_with"], "schema"
        elif failed["code"] == 500 and any(word in text for word in ("reserved", "missing", "too big")):
            yield text, "input"


def _cause(text: str, kind: str) -> str:
    if kind in ("schema", "file"):
        return {"schema": "schema", "file": "attachment_path"}[kind]
    for pattern, cause in (
        ("must be a string|properties must be a dictionary", "bad_field"),
        ("distinct_id (missing|must be passed)", "no_identity"),
        ("event_name missing", "no_name"),
        ("reserved", "reserved_name"),
        ("too big", "too_large"),
        ("data must be a dictionary", "schema"),
    ):
        if re.search(pattern, text):
            return cause
    return text


def _expected(request: Mapping[str, Any]) -> Expected:
    headers = {name.lower(): value for name, value in request["headers"].items()}
    text = (request["body"] or "").encode()
    body = msgspec.json.decode(text) if text else None
    if body is None or is_padded(body):
        headers["content-md5"] = request["signature"]["content_md5"]
        shown = {"ids": request.get("record_ids"), "bytes": request["body_len"]}
        view = partial(_summary, headers["user-agent"], shown)
        return Expected(Wire("POST", request["path"], headers, shown, text), view=view)
    records = body if isinstance(body, list) else [body]
    varies = [f"[{n}].{name}" for n, one in enumerate(records) for name in ("$insert_id", "$time") if name in one]
    wire = Wire("POST", request["path"], headers, body, text)
    return Expected(wire, tuple(varies), partial(_without_keys, records))


def _without_keys(theirs: Sequence[Mapping[str, Any]], ours: Any) -> Any:
    """Drop the idempotency keys that we made where the SDK was given none."""
    return [
        {name: value for name, value in one.items() if name != "$idempotency_key" or name in their}
        for one, their in zip(ours, theirs, strict=False)
    ] + ours[len(theirs) :]


def _summary(user_agent: str, theirs: Mapping[str, Any], ours: Any) -> Any:
    """Show what a capture shows of a large body; its length is that of ours as the SDK would write it."""
    ids = [next(one[name] for name in RECORD_NAMES if name in one) for one in ours]
    padded = is_padded(ours)
    written = []
    for one in ours:
        record = {name: value for name, value in one.items() if padded or name != "$idempotency_key"}
        if "properties" in one:
            named = LIBRARY if padded else user_agent
            record["properties"] = {**one["properties"], "$ss_sdk_version": named}
        written.append(record)
    single = theirs["ids"] is None
    text = json.dumps(written[0] if single else written, ensure_ascii=False)
    shown = [ids[0], "...", ids[-1]] if len(ids) > 8 else ids
    return {"ids": None if single else shown, "bytes": len(text.encode())}
