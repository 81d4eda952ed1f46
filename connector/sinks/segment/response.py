"""The reply to a batch as one outcome per message. Pure."""

from connector.domain.outcome import Delivered, Outcome, Retryable, SetupFault
from connector.sinks.status import refusal

_DELIVERED = Delivered()
# Statuses the official libraries send again beside the usual ones.
_SENT_AGAIN = {410: Retryable("gone"), 460: Retryable("client_closed")}


def verdict(status: int, count: int) -> list[Outcome] | SetupFault:
    """Read the status; the body never changes the decision, and no reply judges a message alone.

    Source: segment-analytics-python 2.4.0; segment.com/docs, "HTTP API", read 2025-11-07.
    """
    if 200 <= status < 300:
        return [_DELIVERED] * count
    outcome = _SENT_AGAIN.get(status) or refusal(status)
    return outcome if isinstance(outcome, SetupFault) else [outcome] * count
