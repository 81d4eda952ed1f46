"""Every status of the vendor's sheet with its outcome."""

import pytest

from connector.domain.exchange import HttpResponse
from connector.domain.outcome import Delivered, Outcome, Retryable, SetupFault, Undetermined
from connector.sinks.contract import Attempt, Item, Payload, Verdict
from connector.sinks.mparticle import create

SINK = create({"MPARTICLE_KEY": "k", "MPARTICLE_SECRET": "s"})
ITEMS = tuple(Item((Payload("bulkevents", b"{}", str(number)),)) for number in range(3))
PAGE = b"<html>captive portal</html>"
ERRORS = b'{"errors":[{"code":"BAD_REQUEST","message":"Required event field \\"event_type\\" is missing or empty."}]}'


def read(status: int, body: bytes = b"", group: str = "") -> Verdict:
    items = tuple(Item((Payload("bulkevents", b"{}", "m", group),)) for _ in range(3)) if group else ITEMS
    return SINK.read(SINK.endpoints["bulkevents"], items, HttpResponse(status, body=body), Attempt(1, 0))


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff"])
def test_202_is_delivered(body: bytes) -> None:
    assert read(202, body) == [Delivered()] * 3


@pytest.mark.parametrize(
    ("told", "used"), [("92", 0.92), ('"7"', 0.07), ("100", 1.0), ("", None), ("many", None), ("1.5", None)]
)
def test_a_202_may_tell_how_much_of_a_limit_is_in_use(told: str, used: float | None) -> None:
    reply = HttpResponse(202, {"x-mp-rate-limit-percentage-used": told})
    assert SINK.read(SINK.endpoints["bulkevents"], ITEMS, reply, Attempt(1, 0)) == [Delivered(used)] * 3


@pytest.mark.parametrize("limit", ["org", "account", "app", "feed", "workspace", "system"])
def test_a_limit_by_any_name_asks_for_a_slower_pace_and_acceleration_for_slower_growth(limit: str) -> None:
    def told(name: str) -> Verdict:
        reply = HttpResponse(429, {"x-mp-rate-limit-exceeded": f'"{name}"'})
        return SINK.read(SINK.endpoints["bulkevents"], ITEMS, reply, Attempt(1, 0))

    assert told(limit) == [Retryable("rate_limited", limited=True)] * 3
    assert told("acceleration") == [Retryable("rate_limited", limited=True, gently=True)] * 3


@pytest.mark.parametrize("status", [200, 201, 203, 204, 205])
def test_what_the_sdk_takes_for_success_is_delivered_only_without_a_body(status: int) -> None:
    assert read(status) == [Delivered()] * 3
    assert read(status, PAGE) == [Retryable("unexpected_status", ambiguous=True)] * 3


@pytest.mark.parametrize("status", [206, 207, 226])
def test_other_success_is_nobodys_and_sent_again(status: int) -> None:
    assert read(status) == [Retryable("unexpected_status", ambiguous=True)] * 3


@pytest.mark.parametrize("body", [ERRORS, b"", PAGE, b"\xff"])
def test_a_refusal_names_no_batch_whatever_its_body(body: bytes) -> None:
    assert read(400, body) == [Undetermined("bad_request")] * 3


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (408, Retryable("timeout")),
        (413, Undetermined("too_large", by_bytes=True)),
        (429, Retryable("rate_limited", limited=True)),
        (500, Retryable("server_error")),
        (502, Retryable("server_error")),
        (503, Retryable("server_error")),
        (504, Retryable("server_error")),
    ],
)
def test_a_status_means_what_the_sheet_says(status: int, outcome: Outcome) -> None:
    assert read(status) == [outcome] * 3


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "credentials"), (403, "credentials"), (404, "address"), (302, "redirect")]
)
def test_what_no_content_could_cause_is_a_set_up_fault_of_its_key_pair(status: int, reason: str) -> None:
    assert read(status) == SetupFault(reason, f"status {status}, key pair default")
    assert read(status, group="iOS") == SetupFault(reason, f"status {status}, key pair iOS")
