"""Every status of the vendor's sheet with its outcome."""

import pytest

from connector.domain.exchange import HttpResponse
from connector.domain.outcome import Delivered, Outcome, Retryable, SetupFault, Undetermined
from connector.sinks.contract import Attempt, Item, Payload, Verdict
from connector.sinks.segment import create

SINK = create({"SEGMENT_WRITE_KEY": "wk_test"})
ITEMS = tuple(Item((Payload("batch", b"{}", str(number)),)) for number in range(3))


def read(status: int, body: bytes = b"") -> Verdict:
    return SINK.read(SINK.endpoints["batch"], ITEMS, HttpResponse(status, body=body), Attempt(1, 0))


@pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
@pytest.mark.parametrize("body", [b'{"success": true}', b"", b"<html>", b"\xff"])
def test_any_2xx_is_delivered_whatever_the_body(status: int, body: bytes) -> None:
    assert read(status, body) == [Delivered()] * 3


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (408, Retryable("timeout")),
        (410, Retryable("gone")),
        (429, Retryable("rate_limited", limited=True)),
        (460, Retryable("client_closed")),
        (500, Retryable("server_error")),
        (502, Retryable("server_error")),
        (503, Retryable("server_error")),
        (504, Retryable("server_error")),
        (529, Retryable("server_error")),
        (599, Retryable("server_error")),
    ],
)
def test_what_the_official_library_sends_again_is_retryable(status: int, outcome: Outcome) -> None:
    assert read(status, b'{"code": "err", "message": "scripted"}') == [outcome] * 3


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Undetermined("bad_request")),
        (402, Undetermined("refused")),
        (413, Undetermined("too_large", by_bytes=True)),
        (418, Undetermined("refused")),
        (422, Undetermined("unprocessable")),
        (499, Undetermined("refused")),
    ],
)
def test_what_the_official_library_drops_for_its_content_is_undetermined(status: int, outcome: Outcome) -> None:
    assert read(status) == [outcome] * 3


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "credentials"),
        (403, "credentials"),
        (404, "address"),
        (405, "address"),
        (407, "proxy"),
        (501, "protocol"),
        (505, "protocol"),
        (511, "network"),
        (302, "redirect"),
        (304, "redirect"),
    ],
)
def test_what_no_content_could_cause_is_a_set_up_fault(status: int, reason: str) -> None:
    assert read(status) == SetupFault(reason, f"status {status}")
