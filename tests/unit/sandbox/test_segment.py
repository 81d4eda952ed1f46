"""The sandbox's Segment: what it takes and turns down, by the documented limits and required fields."""

from base64 import b64encode, urlsafe_b64encode

import msgspec
import pytest
from multidict import CIMultiDict

from connector.sandbox.segment import Segment
from connector.sandbox.vendor import Answer, Call

BASIC = f"Basic {b64encode(b'key:').decode()}"
TRACK = {"type": "track", "userId": "u", "event": "Ordered", "messageId": "m1"}


def call(body: bytes, path: str = "/v1/batch", bad: str = "none", **headers: str) -> Answer:
    named = CIMultiDict({"content-type": "application/json", "authorization": BASIC})
    named.update({name.replace("_", "-"): value for name, value in headers.items()})
    request = Call("POST", path, f"/segment{path}", named, body, 5_000, bad=lambda ident: ident == bad)
    return Segment().routes[f"POST {path}"](request)


def batch(*messages: object, **more: object) -> bytes:
    return msgspec.json.encode({"batch": messages, "sentAt": "2025-03-04T05:06:07+00:00", "writeKey": "key", **more})


def reasons(answer: Answer) -> list[str]:
    return [item.reason for item in answer.items]


def test_a_batch_is_taken_with_every_message_named_by_its_id() -> None:
    answer = call(batch(TRACK, {"type": "identify", "anonymousId": "a", "messageId": "m2"}))
    assert (answer.status, answer.refused) == (200, "")
    assert [(item.id, item.label, item.reason) for item in answer.items] == [
        ("m1", "track Ordered", ""),
        ("m2", "identify", ""),
    ]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"type": "track", "event": "e"}, "no_user_anon_id"),
        ({"type": "track", "userId": "", "event": "e"}, "no_user_anon_id"),
        ({"type": "track", "userId": "u"}, "no_event"),
        ({"type": "group", "userId": "u"}, "no_group_id"),
        ({"type": "alias", "anonymousId": "a", "previousId": "p"}, "no_user_anon_id"),
        ({"type": "purchase", "userId": "u"}, "unknown_type"),
        ({"type": "page", "userId": "u", "messageId": "m" * 101}, "message_id_too_long"),
        ({"type": "page", "userId": "u", "messageId": "m" * 100}, ""),
        ({"type": "group", "userId": "u", "groupId": 0}, ""),
    ],
)
def test_a_message_without_what_it_needs_is_dropped_behind_a_200(message: dict[str, object], reason: str) -> None:
    answer = call(batch(TRACK, message))
    assert (answer.status, reasons(answer)) == (200, ["", reason])


def test_the_2501st_message_is_dropped_behind_a_200() -> None:
    small = {"type": "page", "userId": "u"}
    answer = call(batch(*[small] * 2_501))
    assert answer.status == 200
    assert reasons(answer) == [""] * 2_500 + ["over_2500"]


def test_a_body_over_500_000_bytes_is_refused_with_400() -> None:
    fitting = batch(TRACK, pad="x" * (500_000 - len(batch(TRACK, pad=""))))
    assert len(fitting) == 500_000
    assert call(fitting).status == 200
    assert call(fitting + b" ").status == 400


def test_a_message_over_32_768_bytes_is_refused_with_its_batch() -> None:
    fitting = {**TRACK, "name": "x" * (32_768 - len(msgspec.json.encode({**TRACK, "name": ""})))}
    assert call(batch(fitting)).status == 200
    answer = call(batch(TRACK, {**fitting, "name": f"{fitting['name']}x"}))
    assert (answer.status, reasons(answer)) == (400, ["message_too_large"])


@pytest.mark.parametrize("body", [b"", b"[]", b'{"batch": [{"a": NaN}]}', b'{"batch": [7]}', b'{"batch": {}}'])
def test_what_is_not_a_batch_in_json_is_refused_with_400(body: bytes) -> None:
    assert (call(body).status, call(body).refused) == (400, "malformed")


def test_an_item_the_faults_chose_is_refused_with_its_batch() -> None:
    answer = call(batch(TRACK, {**TRACK, "messageId": "m2"}), bad="m2")
    assert (answer.status, [item.id for item in answer.items], reasons(answer)) == (400, ["m2"], ["bad_item"])


@pytest.mark.parametrize(
    ("authorization", "key", "status"),
    [
        (BASIC, "", 200),
        ("", "key", 200),
        ("", "", 401),
        ("Basic ???", "key", 401),
        (f"Basic {b64encode(b'key:password').decode()}", "key", 401),
        ("Bearer sandbox-5001", "key", 200),
        ("Bearer sandbox-5000", "key", 401),
        ("Bearer other", "key", 401),
    ],
)
def test_a_write_key_or_a_live_token_is_asked_for(authorization: str, key: str, status: int) -> None:
    assert call(batch(TRACK, writeKey=key), authorization=authorization).status == status


def test_a_single_call_is_of_the_kind_of_its_path() -> None:
    answer = call(b'{"userId": "u", "event": "e", "messageId": "m", "writeKey": "k"}', "/v1/track", authorization="")
    assert (answer.status, [(item.id, item.label) for item in answer.items]) == (200, [("m", "track e")])
    assert reasons(call(b'{"userId": "u", "writeKey": "k"}', "/v1/group")) == ["no_group_id"]


FORM = (
    b"grant_type=client_credentials&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    b"&client_assertion=%s&scope=tracking_api:write"
)


def assertion(alg: str = "RS256", kid: str = "k", **claims: object) -> bytes:
    """Write a token request, at 5 s of the clock, for an assertion of these claims over right ones."""
    right = {"iss": "app", "sub": "app", "aud": "https://oauth2.segment.io", "iat": 0, "exp": 60, "jti": "1"}
    parts = ({"alg": alg, "typ": "JWT", "kid": kid}, {**right, **claims})
    encoded = [urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=") for part in parts]
    return FORM % b".".join((*encoded, b"signature"))


def test_a_token_is_granted_for_five_minutes_to_an_assertion() -> None:
    granted = call(assertion(), "/token")
    assert msgspec.json.decode(granted.body)["access_token"] == "sandbox-305000"
    assert call(b"grant_type=password", "/token").status == 400


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        (FORM % b"abc", "invalid_client"),
        (FORM % b"a.b.c", "invalid_client"),
        (assertion().replace(b"signature", b""), "invalid_client"),
        (assertion(alg="HS256"), "invalid_client"),
        (assertion(kid=""), "invalid_client"),
        (assertion(sub=""), "invalid_client"),
        (assertion(jti=None), "invalid_client"),
        (assertion(exp=5), "expired"),
        (assertion(iat=6), "used_before_issued"),
    ],
)
def test_an_assertion_by_another_form_or_clock_is_refused(form: bytes, reason: str) -> None:
    answer = call(form, "/token")
    assert (answer.status, answer.refused) == (401, reason)


def test_a_limit_tells_its_wait_in_both_headers_in_seconds() -> None:
    assert Segment().refusal(429, 3.0).headers == {"Retry-After": "3", "X-RateLimit-Reset": "3"}
    assert Segment().refusal(503, None).headers == {}
