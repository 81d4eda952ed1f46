"""The reply to a request as one outcome per item. Pure."""

from connector.domain.outcome import Delivered, Outcome, SetupFault
from connector.sinks.status import refusal

_DELIVERED = Delivered()


def verdict(status: int, count: int) -> list[Outcome] | SetupFault:
    """Read the status; no reply judges an item alone.

    The vendor answers 200 to hits and 204 to activations; another 2xx is taken for the same, anything from 400 on is
    a failure, which the SDK of 2.1 does not see. Source: sheet sections 1 and 20 (numbers 11 and 17).
    """
    if 200 <= status < 300:
        return [_DELIVERED] * count
    outcome = refusal(status)
    return outcome if isinstance(outcome, SetupFault) else [outcome] * count
