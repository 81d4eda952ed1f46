"""Segment's tracking API, and its OAuth server, as a sandbox vendor. Pure.

Sources: segment.com/docs, "HTTP API", "Product limits" and "OAuth 2.0", read 2025-11-07. What those leave open is
answered in the way that a careless sender notices first.
"""

import binascii
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

import msgspec
from msgspec import Raw, Struct

from connector.sandbox.vendor import Answer, Call, Item, Route

MOST_BYTES = 500_000
MOST_MESSAGE_BYTES = 32_768
MOST_MESSAGES = 2_500
MOST_ID_CHARACTERS = 100
TOKEN_S = 300
KINDS = ("track", "identify", "page", "screen", "group", "alias")
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class _Message(Struct, rename="camel"):
    """What of a message decides whether it is taken. A value of another type is as good as none."""

    type: object = None
    message_id: object = None
    user_id: object = None
    anonymous_id: object = None
    event: object = None
    name: object = None
    group_id: object = None


class _Head(Struct):
    """The head of an assertion."""

    alg: str
    kid: str


class _Claims(Struct):
    """What an assertion must claim; times in seconds."""

    sub: str
    aud: str
    jti: str
    iat: int
    exp: int


class _Body(Struct, rename="camel"):
    batch: list[Raw]
    write_key: str = ""


_body = msgspec.json.Decoder(_Body)
_message = msgspec.json.Decoder(_Message)
_TAKEN = b'{"success":true}'


class Segment:
    """Answers a batch as a whole: 200 says nothing of its messages, and there is no result per message."""

    name = "segment"

    @property
    def routes(self) -> Mapping[str, Route]:
        singles: dict[str, Route] = {f"POST /v1/{kind}": _single for kind in KINDS}
        return {"POST /v1/batch": _batch, "POST /v1/import": _batch, **singles, "POST /token": _token}

    def refusal(self, status: int, retry_after_s: float | None) -> Answer:
        """Say a status; a limit tells its wait twice, in seconds."""
        headers = {}
        if retry_after_s is not None:
            headers = {"Retry-After": f"{retry_after_s:.0f}", "X-RateLimit-Reset": f"{retry_after_s:.0f}"}
        return Answer(status, b'{"success":false}', headers)

    def environ(self, url: str) -> Mapping[str, str]:
        return {"SEGMENT_HOST": url, "SEGMENT_WRITE_KEY": "sandbox"}


def _batch(call: Call) -> Answer:
    fault = _unfit(call)
    if fault is not None:
        return fault
    try:
        body = _body.decode(call.body)
        items = [_item(raw, "", call) for raw in body.batch]
    except msgspec.DecodeError:
        return _refused(400, "malformed")
    if not _authorised(call, body.write_key):
        return _refused(401, "unauthorised")
    items[MOST_MESSAGES:] = [_turned_down(item, "over_2500") for item in items[MOST_MESSAGES:]]
    return _answer(items)


def _single(call: Call) -> Answer:
    fault = _unfit(call)
    if fault is not None:
        return fault
    try:
        key = msgspec.json.decode(call.body, type=dict[str, Raw]).get("writeKey", Raw(b'""'))
        item = _item(Raw(call.body), call.path.removeprefix("/v1/"), call)
        write_key = msgspec.json.decode(key, type=str)
    except msgspec.DecodeError:
        return _refused(400, "malformed")
    if not _authorised(call, write_key):
        return _refused(401, "unauthorised")
    return _answer([item])


def _unfit(call: Call) -> Answer | None:
    """Refuse what is not looked into."""
    if call.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
        return _refused(400, "content_type")
    return _refused(400, "too_large") if len(call.body) > MOST_BYTES else None


def _authorised(call: Call, write_key: str) -> bool:
    """Take a write key by Basic or in the body, else a token of our own that is not too old."""
    scheme, _, value = call.headers.get("Authorization", "").partition(" ")
    if scheme == "Bearer":
        until = value.removeprefix("sandbox-")
        return bool(write_key) and until.isdecimal() and call.now_ms < int(until)
    if scheme == "Basic":
        try:
            key, colon, password = b64decode(value, validate=True).partition(b":")
        except binascii.Error:
            return False
        return bool(key) and (colon, password) == (b":", b"")
    return not scheme and bool(write_key)


def _item(raw: Raw, kind: str, call: Call) -> Item:
    """Look at one message. Raises: DecodeError where it is no object."""
    body = bytes(raw)
    message = _message.decode(body)
    kind = kind or (message.type if isinstance(message.type, str) else "")
    ident = message.message_id if isinstance(message.message_id, str) else ""
    name = message.event or message.name
    reason = _fault(message, kind, len(body)) or ("bad_item" if call.bad(ident) else "")
    return Item(ident, f"{kind} {name}" if isinstance(name, str) else kind, body, reason)


def _fault(message: _Message, kind: str, size: int) -> str:
    if size > MOST_MESSAGE_BYTES:
        return "message_too_large"
    if kind not in KINDS:
        return "unknown_type"
    if isinstance(message.message_id, str) and len(message.message_id) > MOST_ID_CHARACTERS:
        return "message_id_too_long"
    if not (_names(message.user_id) or (kind != "alias" and _names(message.anonymous_id))):
        return "no_user_anon_id"
    if kind == "track" and not (isinstance(message.event, str) and message.event):
        return "no_event"
    return "no_group_id" if kind == "group" and not _names(message.group_id) else ""


def _names(value: object) -> bool:
    return bool(value) if isinstance(value, str) else isinstance(value, int | float)


def _answer(items: Sequence[Item]) -> Answer:
    """Answer 200, but where an item is such that the whole request is refused for it."""
    for item in items:
        if item.reason in ("message_too_large", "bad_item"):
            return Answer(400, _said(item.reason), items=[_turned_down(item, item.reason)], refused=item.reason)
    return Answer(200, _TAKEN, items=items)


def _turned_down(item: Item, reason: str) -> Item:
    return msgspec.structs.replace(item, reason=reason)


def _refused(status: int, reason: str) -> Answer:
    return Answer(status, _said(reason), refused=reason)


def _said(reason: str) -> bytes:
    return msgspec.json.encode({"success": False, "code": reason, "message": reason.replace("_", " ")})


def _token(call: Call) -> Answer:
    """Grant a token to whoever asks in the right form, by a right clock; the signature's key is the asker's own."""
    form = {name: values[0] for name, values in parse_qs(call.body.decode("latin-1")).items()}
    asked = (form.get("grant_type"), form.get("client_assertion_type"), form.get("scope"))
    if asked != ("client_credentials", _ASSERTION, "tracking_api:write"):
        return _refused(400, "invalid_request")
    fault = _misclaimed(form.get("client_assertion", ""), call.now_ms // 1000)
    if fault:
        return _refused(401, fault)
    token = f"sandbox-{call.now_ms + TOKEN_S * 1000}"
    return Answer(200, msgspec.json.encode({"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_S}))


def _misclaimed(assertion: str, now_s: int) -> str:
    """Return what is wrong with an assertion but for its signature, "" where nothing is."""
    parts = assertion.split(".")
    try:
        head, claims = (urlsafe_b64decode(f"{part}==") for part in parts[:2])
        named, claimed = msgspec.json.decode(head, type=_Head), msgspec.json.decode(claims, type=_Claims)
    except (ValueError, msgspec.DecodeError):
        return "invalid_client"
    if len(parts) != 3 or named.alg != "RS256" or not all((parts[2], named.kid, claimed.sub, claimed.aud, claimed.jti)):
        return "invalid_client"
    if claimed.iat > now_s:
        return "used_before_issued"
    return "expired" if claimed.exp <= now_s else ""
