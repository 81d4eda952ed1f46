"""Every reply of the vendor's sheet with its outcomes."""

import pytest

from connector.domain.exchange import HttpResponse
from connector.domain.outcome import Delivered, Outcome, Rejected, Retryable, SetupFault, Undetermined
from connector.sinks.contract import Attempt, Item, Payload, Verdict
from connector.sinks.suprsend import create

SINK = create({"SUPRSEND_WORKSPACE_UID": "wsuid", "SUPRSEND_API_KEY": "key"})
ALL = ("events", "triggers", "workflows", "users")
AMBIGUOUS = Retryable("unreadable", ambiguous=True)


def read(endpoint: str, status: int, body: bytes = b"", count: int = 3) -> Verdict:
    items = tuple(Item((Payload(endpoint, b"{}", str(number)),)) for number in range(count))
    return SINK.read(SINK.endpoints[endpoint], items, HttpResponse(status, body=body), Attempt(1, 0))


@pytest.mark.parametrize("endpoint", ["events", "triggers"])
@pytest.mark.parametrize("status", [200, 202, 207])
def test_the_rows_of_a_success_judge_each_record(endpoint: str, status: int) -> None:
    body = (
        b'{"status": "partial", "records": [{"status": "success", "status_code": 202, "message_id": "m"},'
        b' {"status": "error", "status_code": 404, "error": {"message": "nf", "type": "not_found"}},'
        b' {"status": "error", "status_code": 429}, {"status": "error", "status_code": 500},'
        b' {"status": "error", "status_code": 408}, {"status": "error"}, {"status": "queued", "status_code": 202}]}'
    )
    assert read(endpoint, status, body, 7) == [
        Delivered(),
        Rejected("refused", "404"),
        Retryable("rate_limited", limited=True),
        Retryable("server_error"),
        Retryable("timeout"),
        Rejected("refused"),
        AMBIGUOUS,
    ]


@pytest.mark.parametrize("endpoint", ["events", "triggers"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b'"OK"',
        b"[]",
        b"\xff",
        b'{"message_id": "m"}',
        b'{"records": []}',
        b'{"records": [{"status": "success", "status_code": 202}]}',
        b'{"records": [{"status": 1}, {"status": 2}, {"status": 3}]}',
        b'{"records": [{}, {}, {}]}',
        b'{"records": [null, null, null]}',
    ],
)
def test_a_success_without_a_row_for_each_record_leaves_all_ambiguous(endpoint: str, body: bytes) -> None:
    assert read(endpoint, 202, body) == [AMBIGUOUS] * 3


@pytest.mark.parametrize("endpoint", ["workflows", "users"])
@pytest.mark.parametrize("body", [b"OK", b"Message received", b"", b"\xff", b'{"records": []}'])
def test_of_workflows_and_users_a_success_says_it_all(endpoint: str, body: bytes) -> None:
    assert read(endpoint, 202, body) == [Delivered()] * 3


@pytest.mark.parametrize("endpoint", ALL)
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Undetermined("bad_request")),
        (413, Undetermined("too_large", by_bytes=True)),
        (408, Retryable("timeout")),
        (429, Retryable("rate_limited", limited=True)),
        (500, Retryable("server_error")),
        (502, Retryable("server_error")),
    ],
)
def test_any_other_status_holds_for_the_whole_request(endpoint: str, status: int, outcome: Outcome) -> None:
    rows = b'{"records": [{"status": "success"}, {"status": "success"}, {"status": "success"}]}'
    for body in (b'{"status": "fail", "message": "BAD REQUEST"}', b'{"error": {"message": "x"}}', b"<html>", rows):
        assert read(endpoint, status, body) == [outcome] * 3


@pytest.mark.parametrize("endpoint", ALL)
@pytest.mark.parametrize(
    ("status", "reason"), [(401, "credentials"), (403, "credentials"), (302, "redirect"), (307, "redirect")]
)
def test_what_no_content_could_cause_is_a_set_up_fault(endpoint: str, status: int, reason: str) -> None:
    assert read(endpoint, status) == SetupFault(reason, f"status {status}")


def test_a_workflow_the_vendor_does_not_know_is_about_the_content() -> None:
    for body in (b'{"status": "fail", "message": "workflow not found"}', b'{"error": {"message": "nf"}}'):
        assert read("triggers", 404, body) == [Undetermined("not_found")] * 3


def test_a_404_that_says_nothing_of_a_workflow_is_about_the_address() -> None:
    for endpoint in ALL:
        for body in (b"<html>", b"", b"[]", b"{}", b"\xff"):
            assert read(endpoint, 404, body) == SetupFault("address", "status 404")
