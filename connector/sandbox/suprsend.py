"""SuprSend's API as a sandbox vendor. Pure, but for the idempotency keys it remembers.

Sources: docs.suprsend.com, HTTP reference, and suprsend-py-sdk 0.20.0, of which the schemas and the signature are. What
those leave open, as how far a clock may be off, is answered in the way that a careless sender notices first.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from connector.errors import Untranslatable
from connector.sandbox.vendor import Answer, Call, Item, Route
from connector.sinks.suprsend.records import spaced
from connector.sinks.suprsend.request import EVENTS, ITEM_BYTES, REQUEST_BYTES, TRIGGERS, USERS, WORKFLOWS
from connector.sinks.suprsend.schemas import EVENT, TRIGGER, WORKFLOW, checker
from connector.sinks.suprsend.signature import CONTENT_TYPE, sign

KEY, SECRET = "sandbox-workspace-key", "sandbox-secret"
UID, API_KEY = "sandbox-workspace-uid", "sandbox-api-key"
MOST_SKEW_MS = 300_000
REMEMBERED_MS = 24 * 3_600_000
MOST_KEYS = 500_000
MOST_RECORDS: Mapping[str, int] = {EVENTS: 100, TRIGGERS: 100, WORKFLOWS: 100, USERS: 400}
# A workflow by such a slug is one that the workspace does not have.
NO_SUCH = "no-such"
REPEATED = "repeated_key"
_OPERATORS = frozenset(("$set", "$set_once", "$add", "$append", "$remove", "$unset"))
_CHECKS: Mapping[str, Callable[[Any], None]] = {
    EVENTS: checker(EVENT),
    TRIGGERS: checker(TRIGGER),
    WORKFLOWS: checker(WORKFLOW),
}


class Suprsend:
    """Judges events and triggers one by one; a workflow or user it does not take fails the whole request."""

    name = "suprsend"

    def __init__(self) -> None:
        self._keys: OrderedDict[str, int] = OrderedDict()

    @property
    def routes(self) -> Mapping[str, Route]:
        return {
            "POST /v2/event/": lambda call: self._answer(EVENTS, call),
            "POST /v2/bulk/event/": lambda call: self._answer(EVENTS, call),
            "POST /trigger/": lambda call: self._answer(TRIGGERS, call),
            "POST /{workspace}/trigger/": lambda call: self._answer(WORKFLOWS, call),
            "POST /event/": lambda call: self._answer(USERS, call),
        }

    def refusal(self, status: int, retry_after_s: float | None) -> Answer:
        headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:.0f}"}
        return Answer(status, _said("fail", f"status {status}"), headers)

    def environ(self, url: str) -> Mapping[str, str]:
        return {
            "SUPRSEND_BASE_URL": url,
            "SUPRSEND_WORKSPACE_KEY": KEY,
            "SUPRSEND_WORKSPACE_SECRET": SECRET,
        }

    def _answer(self, kind: str, call: Call) -> Answer:
        workspace = _workspace(call)
        if not workspace or call.params.get("workspace", workspace) != workspace:
            return _refused(401, "unauthorised")
        try:
            given = msgspec.json.decode(call.body)
        except msgspec.DecodeError:
            return _refused(400, "malformed")
        records = given if isinstance(given, list) else [given]
        if not records or not all(isinstance(record, dict) for record in records):
            return _refused(400, "malformed")
        if len(records) > MOST_RECORDS[kind] or len(call.body) > REQUEST_BYTES + 2 * len(records):
            return _refused(413, "too_large")
        items = [_item(kind, record, workspace, call) for record in records]
        if kind in (WORKFLOWS, USERS):
            fault = next((item.reason for item in items if item.reason), "")
            if fault:
                return Answer(400, _said("fail", fault), items=_failed(items), refused=fault)
        keys = dict[str, int]()
        items = [self._once(item, record, call.now_ms, keys) for item, record in zip(items, records, strict=True)]
        if kind in (WORKFLOWS, USERS):
            answer = Answer(202, b"OK", items=items)
        else:
            answer = _rows(items) if isinstance(given, list) else _single(items[0])
        return msgspec.structs.replace(answer, keep=lambda: self._remember(keys))

    def _once(self, item: Item, record: Mapping[str, Any], now_ms: int, keys: dict[str, int]) -> Item:
        """Pass over a record whose key was processed within 24 hours; add the key of one that is taken to `keys`."""
        key = record.get("$idempotency_key")
        if item.reason or not isinstance(key, str):
            return item
        key = key.strip()
        if key in keys or self._keys.get(key, now_ms - REMEMBERED_MS) > now_ms - REMEMBERED_MS:
            return msgspec.structs.replace(item, reason=REPEATED)
        keys[key] = now_ms
        return item

    def _remember(self, keys: Mapping[str, int]) -> None:
        for key, now_ms in keys.items():
            self._keys.pop(key, None)
            self._keys[key] = now_ms
        while len(self._keys) > MOST_KEYS:
            self._keys.popitem(last=False)


def _workspace(call: Call) -> str:
    """Name the workspace whose credentials came, by either scheme; "" for none."""
    given, kind = call.headers.get("Authorization", ""), call.headers.get("Content-Type", "")
    if given == f"Bearer {API_KEY}":
        return UID
    date = call.headers.get("Date", "")
    try:
        sent_ms = int(parsedate_to_datetime(date).timestamp() * 1000)
    except ValueError:
        return ""
    signature = sign(SECRET.encode(), call.method, call.body, date, call.target)
    signed = kind == CONTENT_TYPE and given == f"{KEY}:{signature}"
    return KEY if signed and abs(call.now_ms - sent_ms) <= MOST_SKEW_MS else ""


def _item(kind: str, record: Mapping[str, Any], workspace: str, call: Call) -> Item:
    """Judge one record by what it holds."""
    named = record.get("$insert_id") or record.get("$idempotency_key")
    ident = named if isinstance(named, str) else ""
    body = msgspec.json.encode(record)
    reason = _fault(kind, record, body, workspace) or ("bad_item" if call.bad(ident) else "")
    return Item(ident, _label(kind, record), body, reason)


def _failed(items: Sequence[Item]) -> list[Item]:
    return [item for item in items if item.reason]


def _fault(kind: str, record: Mapping[str, Any], body: bytes, workspace: str) -> str:
    if len(spaced(body)) > ITEM_BYTES[kind]:
        return "too_large"
    if record.get("env", workspace) != workspace:
        return "other_workspace"
    if kind == USERS:
        return "" if _is_edit(record) else "schema"
    try:
        _CHECKS[kind](record)
    except Untranslatable:
        return "schema"
    return "not_found" if kind == TRIGGERS and record["workflow"].startswith(NO_SUCH) else ""


def _is_edit(record: Mapping[str, Any]) -> bool:
    operations = record.get("$user_operations")
    named = isinstance(record.get("distinct_id"), str) and record["distinct_id"].strip()
    known = isinstance(operations, list) and all(
        isinstance(one, dict) and one.keys() <= _OPERATORS for one in operations
    )
    return bool(named and known and record.get("$schema") == "2" and isinstance(record.get("$time"), int))


def _label(kind: str, record: Mapping[str, Any]) -> str:
    name = next((record[name] for name in ("event", "workflow", "name") if name in record), "")
    return f"{kind} {name}" if isinstance(name, str) and name else kind


def _rows(items: Sequence[Item]) -> Answer:
    """Answer with a row for each record, in the order of the request."""
    rows = [_row(item) for item in items]
    failed = sum(row["status"] == "error" for row in rows)
    status = "fail" if failed == len(rows) else "partial" if failed else "success"
    return Answer(207, msgspec.json.encode({"status": status, "records": rows}), items=items)


def _row(item: Item) -> dict[str, Any]:
    if item.reason in ("", REPEATED):
        return {"status": "success", "status_code": 202, "message_id": item.id}
    status = 404 if item.reason == "not_found" else 400
    return {"status": "error", "status_code": status, "error": {"message": item.reason, "type": item.reason}}


def _single(item: Item) -> Answer:
    row = _row(item)
    return Answer(row["status_code"], msgspec.json.encode(row), items=[item])


def _refused(status: int, reason: str) -> Answer:
    return Answer(status, _said("fail", reason), refused=reason)


def _said(status: str, message: str) -> bytes:
    return msgspec.json.encode({"status": status, "message": message})
