"""What each answer means."""

import pytest

from connector.domain.outcome import Delivered, Outcome, Retryable, SetupFault, Undetermined
from connector.sinks.flagship.response import verdict


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_2xx_takes_everything(status: int) -> None:
    assert verdict(status, 2) == [Delivered(), Delivered()]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Undetermined("bad_request")),
        (413, Undetermined("too_large", by_bytes=True)),
        (408, Retryable("timeout")),
        (429, Retryable("rate_limited", limited=True)),
        (500, Retryable("server_error")),
        (503, Retryable("server_error")),
    ],
)
def test_a_refusal_is_of_the_whole_request(status: int, outcome: Outcome) -> None:
    assert verdict(status, 2) == [outcome, outcome]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_address_or_credential_is_our_set_up(status: int) -> None:
    assert isinstance(verdict(status, 2), SetupFault)
