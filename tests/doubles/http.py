"""An `Http` that answers by script, in the loop's own time."""

import asyncio
from collections.abc import Callable

from msgspec import Struct

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import ConnectorError


class Sent(Struct, frozen=True):
    """One request as it was sent: when, where to, and the payloads in it."""

    at_s: float
    to: str
    bodies: tuple[bytes, ...]
    headers: dict[str, str]


class Answer(Struct, frozen=True):
    """A reply, or the error that stands for none, after `delay_s`."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}
    delay_s: float = 0.1
    error: ConnectorError | None = None


class ScriptedHttp:
    """Keeps every request, in the order of their start, and how many were open at the same time at most."""

    def __init__(self, script: Callable[[Sent], Answer]) -> None:
        self.script = script
        self.sent: list[Sent] = []
        self.open = 0
        self.most_open = 0

    async def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        loop = asyncio.get_running_loop()
        to = request.url.rsplit("/", 1)[-1]
        sent = Sent(loop.time(), to, tuple(request.body.split(b",")), dict(request.headers))
        self.sent.append(sent)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            answer = self.script(sent)
            await asyncio.sleep(answer.delay_s)
        finally:
            self.open -= 1
        if answer.error is not None:
            raise answer.error
        return HttpResponse(answer.status, answer.headers, answer.body)

    @property
    def bodies(self) -> list[bytes]:
        """All payloads in the order of sending, resent ones again."""
        return [body for sent in self.sent for body in sent.bodies]
