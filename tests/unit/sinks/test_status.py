"""The common reading of statuses."""

import pytest

from connector.domain.outcome import Retryable, SetupFault, Undetermined
from connector.sinks.status import refusal


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407, 501, 505, 511, 301, 304])
def test_what_every_request_would_meet_is_a_set_up_fault(status: int) -> None:
    verdict = refusal(status)
    assert isinstance(verdict, SetupFault)
    assert verdict.detail == f"status {status}"


def test_too_many_requests_is_limited_and_a_timeout_is_not() -> None:
    assert refusal(429) == Retryable("rate_limited", limited=True)
    assert refusal(408) == Retryable("timeout")


def test_content_is_undetermined_and_size_is_split_by_bytes() -> None:
    assert refusal(400) == Undetermined("bad_request")
    assert refusal(422) == Undetermined("unprocessable")
    assert refusal(413) == Undetermined("too_large", by_bytes=True)
    assert refusal(451) == Undetermined("refused")


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 599])
def test_a_server_error_is_retryable(status: int) -> None:
    assert refusal(status) == Retryable("server_error")


@pytest.mark.parametrize("status", [0, 100, 199, 600, 999])
def test_a_status_that_should_not_exist_is_retryable(status: int) -> None:
    assert refusal(status) == Retryable("unexpected_status")
