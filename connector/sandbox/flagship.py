"""Flagship's collection, decision and CDN servers as one sandbox vendor. Pure, but for the file it holds.

    GET  /flagship/<env>/bucketing.json    the file, with Last-Modified; 304 where it did not change
    PUT  /flagship/<env>/bucketing.json    another file, for instance {"panic": true}

Source: the sheet's sections 1, 4, 5, 11 to 14. What those leave open is answered in the way that a careless sender
notices first: an item that is not as it must be has its whole request refused. No item has an id on the wire; one that
comes again is told by its content.
"""

import hashlib
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

import msgspec

from connector.sandbox.vendor import Answer, Call, Item, Route
from connector.sinks.flagship.bucketing import decide, read_file
from connector.sinks.flagship.request import QUEUE_LONGEST_MS
from connector.sinks.flagship.rules import SOUND
from connector.sinks.flagship.visitor import scalars

ENV_ID, API_KEY = "sandboxenvironment00", "sandbox-api-key"
MOST_BYTES = 2_500_000
MOST_TEXT, MOST_ADDRESS_BYTES = 500, 2048
_JSON = "application/json"
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "PAGEVIEW": ("dl",),
    "SCREENVIEW": ("dl",),
    "EVENT": ("ec", "ea"),
    "TRANSACTION": ("tid", "ta"),
    "ITEM": ("tid", "in", "ic"),
    "SEGMENT": (),
}
_TEXTS = ("ea", "el", "tid", "ta", "in", "iv")
_WHOLE = ("ev", "iq", "icn", "sn", "cst", "qt")
_NUMBERS = ("tr", "ts", "tt", "ip")
_Fault = Callable[[Mapping[str, Any]], str]


def _variation(name: str, allocation: int, value: str) -> dict[str, Any]:
    return {"id": name, "allocation": allocation, "modifications": {"type": "JSON", "value": {"checkout": value}}}


FILE: Mapping[str, Any] = {
    "panic": False,
    "campaigns": [
        {
            "id": "checkout",
            "type": "ab",
            "variationGroups": [
                {
                    "id": "ca",
                    "targeting": {
                        "targetingGroups": [
                            {"targetings": [{"operator": "EQUALS", "key": "fs_all_users", "value": ""}]}
                        ]
                    },
                    "variations": [_variation("cb", 50, "short"), _variation("cc", 50, "long")],
                }
            ],
        }
    ],
}


class Flagship:
    """Takes hits and activations, one by one or in batches; decides by the file it serves."""

    name = "flagship"

    def __init__(self) -> None:
        self._file = msgspec.json.encode(FILE)
        self._changed_s = 0

    @property
    def routes(self) -> Mapping[str, Route]:
        return {
            "POST /": _hits,
            "POST /v2/activate": _activations,
            "POST /v2/{env}/events": _context,
            "POST /v2/{env}/campaigns/": self._campaigns,
            "GET /{env}/bucketing.json": self._serve,
            "PUT /{env}/bucketing.json": self._replace,
        }

    def refusal(self, status: int, retry_after_s: float | None) -> Answer:
        headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:.0f}"}
        return Answer(status, _said(f"status {status}"), headers)

    def environ(self, url: str) -> Mapping[str, str]:
        hosts = {f"FLAGSHIP_{name}_HOST": url for name in ("DECISION", "HITS", "CDN")}
        return {"FLAGSHIP_ENV_ID": ENV_ID, "FLAGSHIP_API_KEY": API_KEY, **hosts}

    def _serve(self, call: Call) -> Answer:
        if call.params["env"] != ENV_ID:
            return _refused(403, "unknown_environment")
        stamp = formatdate(self._changed_s or 1_600_000_000, usegmt=True)
        if call.headers.get("If-Modified-Since") == stamp:
            return Answer(304, headers={"Last-Modified": stamp})
        return Answer(200, self._file, {"Last-Modified": stamp})

    def _replace(self, call: Call) -> Answer:
        """Take another file; each is a second later than the one before it at least, as its date tells no less."""
        try:
            read_file(call.body, SOUND)
        except ValueError:
            return _refused(400, "malformed")
        self._file, self._changed_s = call.body, max(self._changed_s + 1, call.now_ms // 1000)
        return Answer(204)

    def _campaigns(self, call: Call) -> Answer:
        """Decide for the visitor who is asked about, by the file."""
        if call.headers.get("x-api-key") != API_KEY or call.params["env"] != ENV_ID:
            return _refused(403, "unauthorised")
        try:
            asked = msgspec.json.decode(call.body)
            visitor, context = asked["visitorId"], scalars(asked["context"])
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            return _refused(400, "malformed")
        if not isinstance(visitor, str) or not visitor or asked.get("trigger_hit") is not False:
            return _refused(400, "malformed")
        file = read_file(self._file, SOUND)
        found = [] if file.panic else _decided(decide(file, visitor, context).owners)
        said = {"visitorId": visitor, "campaigns": found, **({"panic": True} if file.panic else {})}
        return Answer(200, msgspec.json.encode(said))


def _decided(owners: Mapping[str, Any]) -> list[dict[str, Any]]:
    campaigns: dict[str, dict[str, Any]] = {}
    for flag, owner in owners.items():
        modifications: dict[str, Any] = {"type": "JSON", "value": {}}
        variation = {"id": owner.variation_id, "reference": owner.reference, "modifications": modifications}
        campaign = {"id": owner.campaign_id, "variationGroupId": owner.group_id, "variation": variation}
        chosen = campaigns.setdefault(owner.campaign_id, campaign)
        chosen["variation"]["modifications"]["value"][flag] = owner.value
    return list(campaigns.values())


def _hits(call: Call) -> Answer:
    """Take a batch, or one hit that says all of a batch's head itself."""
    body = _body(call)
    if isinstance(body, Answer):
        return body
    batched = body.get("t") == "BATCH"
    children = body.get("h") if batched else [{key: value for key, value in body.items() if key != "cid"}]
    if body.get("ds") != "APP" or not isinstance(children, list) or not children:
        return _refused(400, "malformed")
    return _taken(children, "t", _hit_fault, call, 200)


def _activations(call: Call) -> Answer:
    body = _body(call)
    if isinstance(body, Answer):
        return body
    given = body.get("batch", [{key: value for key, value in body.items() if key != "cid"}])
    if not isinstance(given, list) or not given:
        return _refused(400, "malformed")
    return _taken(given, "vaid", _activation_fault, call, 204)


def _context(call: Call) -> Answer:
    body = _parsed(call)
    if isinstance(body, Answer):
        return body
    if call.params["env"] != ENV_ID or body.get("type") != "CONTEXT" or not isinstance(body.get("data"), dict):
        return _refused(400, "malformed")
    return _taken([body], "type", lambda item: "" if _names(item.get("visitorId")) else "no_visitor", call, 204)


def _parsed(call: Call) -> Mapping[str, Any] | Answer:
    if call.headers.get("Content-Type", "").partition(";")[0].strip() != _JSON:
        return _refused(400, "content_type")
    if len(call.body) >= MOST_BYTES:
        return _refused(413, "too_large")
    try:
        body = msgspec.json.decode(call.body)
    except msgspec.DecodeError:
        return _refused(400, "malformed")
    return body if isinstance(body, dict) else _refused(400, "malformed")


def _body(call: Call) -> Mapping[str, Any] | Answer:
    body = _parsed(call)
    if isinstance(body, dict) and body.get("cid") != ENV_ID:
        return _refused(400, "unknown_environment")
    return body


def _taken(given: list[Any], label: str, fault: _Fault, call: Call, status: int) -> Answer:
    """Take all of a request's items, or refuse it for the first one that is not as it must be."""
    items = []
    for one in given:
        if not isinstance(one, dict):
            return _refused(400, "malformed")
        text = msgspec.json.encode(one)
        content = msgspec.json.encode({key: value for key, value in one.items() if key != "qt"})
        identifier = hashlib.md5(content, usedforsecurity=False).hexdigest()
        reason = fault(one) or ("bad_item" if call.bad(identifier) else "")
        item = Item(identifier, str(one.get(label, "")), text, reason)
        if reason:
            return Answer(400, _said(reason), items=[item], refused=reason)
        items.append(item)
    return Answer(status, items=items)


def _hit_fault(hit: Mapping[str, Any]) -> str:
    kind = hit.get("t")
    if not isinstance(kind, str) or kind not in _REQUIRED:
        return "unknown_type"
    if hit.get("ds") != "APP" or not _names(hit.get("vid")) or not (hit.get("cuid") is None or _names(hit["cuid"])):
        return "no_visitor"
    if not all(_names(hit.get(key)) for key in _REQUIRED[kind]):
        return "missing"
    if any(key in hit and not _is_text(hit[key]) for key in _TEXTS):
        return "text"
    if kind == "EVENT" and hit["ec"] not in ("Action Tracking", "User Engagement"):
        return "category"
    if kind in ("PAGEVIEW", "SCREENVIEW") and len(hit["dl"].encode()) > MOST_ADDRESS_BYTES:
        return "too_long"
    if kind == "PAGEVIEW" and not (urlsplit(hit["dl"]).scheme and urlsplit(hit["dl"]).netloc):
        return "no_address"
    context = hit.get("s") if kind == "SEGMENT" else {}
    if not isinstance(context, dict) or not all(isinstance(value, str) for value in context.values()):
        return "segment"
    return _number_fault(hit)


def _number_fault(item: Mapping[str, Any]) -> str:
    whole = all(type(item[key]) is int and item[key] >= 0 for key in _WHOLE if key in item)
    numbers = all(type(item[key]) in (int, float) for key in _NUMBERS if key in item)
    if not whole or not numbers:
        return "number"
    return "too_old" if item.get("qt", 0) > QUEUE_LONGEST_MS else ""


def _activation_fault(activation: Mapping[str, Any]) -> str:
    if not all(_names(activation.get(key)) for key in ("caid", "vaid", "vid")):
        return "missing"
    return _number_fault(activation)


def _names(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MOST_TEXT


def _refused(status: int, reason: str) -> Answer:
    return Answer(status, _said(reason), refused=reason)


def _said(reason: str) -> bytes:
    return msgspec.json.encode({"message": reason.replace("_", " ")})
