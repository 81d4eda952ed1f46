"""The reply to a request as one outcome per batch. Pure."""

from connector.domain.exchange import HttpResponse
from connector.domain.outcome import Delivered, Outcome, Retryable, SetupFault
from connector.sinks.status import refusal

_DELIVERED = Delivered()
# Taken by the official SDK; the documentation knows 202 alone.
_TAKEN_BY_SDK = range(200, 206)


def verdict(reply: HttpResponse, count: int, group: str) -> list[Outcome] | SetupFault:
    """Read the status; no reply judges a batch alone.

    A page in answer to a POST is somebody else's success, so beside 202 only an empty body is the vendor's.
    Source: docs.mparticle.com, "HTTP API", October 2023; mparticle Python SDK 0.16.1.
    """
    status = reply.status
    if status == 202 or (status in _TAKEN_BY_SDK and not reply.body):
        return [_DELIVERED] * count
    if 200 <= status < 300:
        return [Retryable("unexpected_status", ambiguous=True)] * count
    outcome = refusal(status)
    if isinstance(outcome, SetupFault):
        detail = f"{outcome.detail}, key pair {group or 'default'}"
        return SetupFault(outcome.reason, detail)
    return [outcome] * count
