"""One attempt of a batch, byte for byte."""

import pytest

from connector import __version__
from connector.sinks.contract import Attempt, Item, Payload
from connector.sinks.suprsend import create
from connector.sinks.suprsend.signature import sign

KEY, SECRET = "wskey_AbCdEfGhIjKlMnOpQrSt", "wssecret_0123456789abcdefghijklmnop"
SIGNED = {"SUPRSEND_WORKSPACE_KEY": KEY, "SUPRSEND_WORKSPACE_SECRET": SECRET}
SINK = create(SIGNED)
ITEMS = tuple(Item((Payload("events", body, "m"),)) for body in (b'{"n":1}', b'{"n":2}'))
BODY = b'[{"n":1},{"n":2}]'
SENT_MS = 1_735_689_600_250  # 2025-01-01T00:00:00.250Z


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("events", "/v2/bulk/event/"),
        ("triggers", "/trigger/"),
        ("workflows", f"/{KEY}/trigger/"),
        ("users", "/event/"),
    ],
)
def test_records_travel_as_one_array_to_the_bulk_address_of_their_kind(endpoint: str, path: str) -> None:
    request = SINK.request(SINK.endpoints[endpoint], ITEMS, Attempt(1, SENT_MS))
    assert (request.method, request.url) == ("POST", f"https://hub.suprsend.com{path}")
    assert request.body == BODY
    signature = sign(SECRET.encode(), "POST", BODY, "Wed, 01 Jan 2025 00:00:00 GMT", path)
    assert request.headers == {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": f"kafka-vendor-connector/{__version__}",
        "Date": "Wed, 01 Jan 2025 00:00:00 GMT",
        "Authorization": f"{KEY}:{signature}",
    }


def test_a_later_attempt_is_signed_anew_over_the_same_bytes() -> None:
    events = SINK.endpoints["events"]
    first, later = (SINK.request(events, ITEMS, Attempt(n, SENT_MS + n * 1_000)) for n in (0, 5))
    assert first.body == later.body
    assert later.headers["Date"] == "Wed, 01 Jan 2025 00:00:05 GMT"
    assert first.headers["Authorization"] != later.headers["Authorization"]


def test_an_api_key_goes_without_date_and_signature_and_its_uid_is_in_the_path() -> None:
    sink = create({"SUPRSEND_WORKSPACE_UID": "wsuid", "SUPRSEND_API_KEY": "SS.WSS.key"})
    request = sink.request(sink.endpoints["workflows"], ITEMS, Attempt(1, SENT_MS))
    assert request.url == "https://hub.suprsend.com/wsuid/trigger/"
    assert request.headers["Authorization"] == "Bearer SS.WSS.key"
    assert "Date" not in request.headers


def test_the_path_of_a_base_url_is_signed() -> None:
    sink = create({**SIGNED, "SUPRSEND_BASE_URL": "https://proxy.example/hub/v9"})
    request = sink.request(sink.endpoints["events"], ITEMS, Attempt(1, SENT_MS))
    signature = sign(SECRET.encode(), "POST", BODY, "Wed, 01 Jan 2025 00:00:00 GMT", "/hub/v9/v2/bulk/event/")
    assert request.url == "https://proxy.example/hub/v9/v2/bulk/event/"
    assert request.headers["Authorization"] == f"{KEY}:{signature}"


@pytest.mark.parametrize(
    ("endpoint", "items", "overhead", "itemised"),
    [("events", 100, 1, True), ("triggers", 100, 200, True), ("workflows", 100, 200, False), ("users", 400, 1, False)],
)
def test_the_limits_are_the_vendors(endpoint: str, items: int, overhead: int, itemised: bool) -> None:
    found = SINK.endpoints[endpoint]
    limits = found.limits
    assert (limits.items, limits.request_bytes, limits.item_overhead) == (items, 819_200, overhead)
    assert (found.itemised, found.cost, found.quota) == (itemised, "item", "default")


def test_a_smaller_batch_size_holds_for_all() -> None:
    sink = create({**SIGNED, "SUPRSEND_BATCH_SIZE": "150"})
    assert {name: one.limits.items for name, one in sink.endpoints.items()} == {
        "events": 100,
        "triggers": 100,
        "workflows": 100,
        "users": 150,
    }


def test_what_is_late_or_old_is_not_sent_unless_it_is_asked_for() -> None:
    assert (SINK.preferences.start_from, SINK.preferences.max_age_s) == ("latest", 24 * 3600)
