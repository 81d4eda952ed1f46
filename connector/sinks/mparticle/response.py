"""The reply to a request as one outcome per batch. Pure."""

from collections.abc import Mapping

from connector.domain.exchange import HttpResponse
from connector.domain.outcome import Delivered, Outcome, Retryable, SetupFault
from connector.sinks.status import refusal

_ACCELERATED = Retryable("rate_limited", limited=True, gently=True)
# Taken by the official SDK; the documentation knows 202 alone.
_TAKEN_BY_SDK = range(200, 206)


def verdict(reply: HttpResponse, count: int, group: str) -> list[Outcome] | SetupFault:
    """Read the status; no reply judges a batch alone.

    A page in answer to a POST is somebody else's success, so beside 202 only an empty body is the vendor's.
    Source: docs.mparticle.com, "HTTP API" and "Default Service Limits", October 2023; mparticle Python SDK 0.16.1.
    """
    status = reply.status
    if status == 202 or (status in _TAKEN_BY_SDK and not reply.body):
        return [Delivered(_used(reply.headers))] * count
    if 200 <= status < 300:
        return [Retryable("unexpected_status", ambiguous=True)] * count
    if status == 429 and reply.headers.get("x-mp-rate-limit-exceeded", "").strip('" ') == "acceleration":
        return [_ACCELERATED] * count
    outcome = refusal(status)
    if isinstance(outcome, SetupFault):
        detail = f"{outcome.detail}, key pair {group or 'default'}"
        return SetupFault(outcome.reason, detail)
    return [outcome] * count


def _used(headers: Mapping[str, str]) -> float | None:
    """Read the highest share in use among the limits that apply; None where nothing that makes sense is told."""
    percentage = headers.get("x-mp-rate-limit-percentage-used", "").strip('" ')
    return int(percentage) / 100 if percentage.isdecimal() and len(percentage) <= 3 else None
