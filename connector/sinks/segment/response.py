"""The reply to a batch as one outcome per message. Pure."""

from collections.abc import Sequence

from connector.domain.outcome import Delivered, Outcome, Refresh, Retryable, SetupFault
from connector.sinks.segment.token import TOKEN
from connector.sinks.status import refusal

_DELIVERED = Delivered()
# Statuses the official libraries send again beside the usual ones.
_SENT_AGAIN = {410: Retryable("gone"), 460: Retryable("client_closed")}
# What says that a token is no longer good, where there is one.
_TOKEN_REFUSED = {401: "credentials", 403: "credentials", 511: "network"}


def verdict(status: int, count: int, *, by_token: bool = False) -> Sequence[Outcome] | SetupFault | Refresh:
    """Read the status; the body never changes the decision, and no reply judges a message alone.

    Source: segment-analytics-python 2.4.0; segment.com/docs, "HTTP API", read 2025-11-07.
    """
    if 200 <= status < 300:
        return [_DELIVERED] * count
    if by_token and status in _TOKEN_REFUSED:
        return Refresh(TOKEN, _TOKEN_REFUSED[status])
    outcome = _SENT_AGAIN.get(status) or refusal(status)
    return outcome if isinstance(outcome, SetupFault) else [outcome] * count
