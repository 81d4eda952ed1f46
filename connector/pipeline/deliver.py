"""Stage 5, deliver: one attempt of a batch, one outcome per item."""

from typing import Protocol

from connector.domain.exchange import HttpRequest, HttpResponse


class Http(Protocol):
    async def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        """Send once, within the total time. Raises: NotSent, Ambiguous, SetupFailed."""
        ...
