"""The signature, beside requests that the official SDK signed."""

import pytest

from connector.sinks.suprsend.signature import http_date, sign

SECRET = b"wssecret_0123456789abcdefghijklmnop"
DATE = "Wed, 01 Jan 2025 00:00:00 GMT"
EVENT = (
    b'{"$insert_id": "00000000-0000-4000-8000-000000000001", "$time": 1735689600250, "event": "product_purchased", '
    b'"env": "wskey_AbCdEfGhIjKlMnOpQrSt", "distinct_id": "u1", "properties": {"amount": 10, "currency": "INR", '
    b'"$ss_sdk_version": "suprsend-py-sdk/0.20.0 (python/3.11.7; linux)"}}'
)
TRIGGERS = (
    b'[{"workflow": "purchase-made", "recipients": ["u1"], "data": {"k": "v"}, "$idempotency_key": "k1"}, '
    b'{"workflow": "w2", "recipients": ["u1"], "data": {"k": "v"}, "tenant_id": "t2", "cancellation_key": "c2"}]'
)


@pytest.mark.parametrize(
    ("body", "path", "signature"),
    [
        (EVENT, "/v2/event/", "U/t4qAudpxR7cDc5qUqHdaxZFzoSfjdR+2AfHY3KR5E="),
        (TRIGGERS, "/trigger/", "7Jd6CvjmtHtL7XcqCdJYFUxT62sd29jac29KpPWUcwk="),
    ],
)
def test_a_request_the_sdk_signed_is_signed_the_same(body: bytes, path: str, signature: str) -> None:
    assert sign(SECRET, "POST", body, DATE, path) == signature


def test_every_byte_of_body_path_and_date_counts() -> None:
    signatures = {
        sign(SECRET, "POST", EVENT, DATE, "/v2/event/"),
        sign(SECRET, "POST", EVENT + b" ", DATE, "/v2/event/"),
        sign(SECRET, "POST", EVENT, DATE, "/p/v2/event/"),
        sign(SECRET, "POST", EVENT, "Wed, 01 Jan 2025 00:00:01 GMT", "/v2/event/"),
        sign(SECRET, "POST", b"", DATE, "/v2/event/"),
        sign(b"other", "POST", EVENT, DATE, "/v2/event/"),
    }
    assert len(signatures) == 6


@pytest.mark.parametrize(
    ("now_ms", "date"),
    [
        (1_735_689_600_250, "Wed, 01 Jan 2025 00:00:00 GMT"),
        (1_735_689_600_999, "Wed, 01 Jan 2025 00:00:00 GMT"),
        (1_709_210_096_000, "Thu, 29 Feb 2024 12:34:56 GMT"),
    ],
)
def test_a_date_is_english_in_gmt_to_the_second(now_ms: int, date: str) -> None:
    assert http_date(now_ms) == date
