"""What the simulated sink keeps fresh: a token that ends, and a switch that halts it. Pure."""

import msgspec
from msgspec import Struct

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import FeedFailed
from connector.sinks.contract import Halt, Renewal

TOKEN, SWITCH = "token", "switch"
TOKEN_REFUSED = 511
PANIC = "panic"


class TokenFeed(Struct, frozen=True):
    """A number, good for a while; asked for anew after `refresh_s`."""

    refresh_s: float
    name: str = TOKEN

    def request(self, last: Renewal | None, now_ms: int, nonce: bytes) -> HttpRequest:
        return HttpRequest("POST", "https://vendor.example/token")

    def read(self, reply: HttpResponse, last: Renewal | None, now_ms: int) -> Renewal:
        return Renewal(read_value(reply, int), self.refresh_s)


class SwitchFeed(Struct, frozen=True):
    """True, or False while nothing may be sent."""

    refresh_s: float
    hold: bool
    name: str = SWITCH

    def request(self, last: Renewal | None, now_ms: int, nonce: bytes) -> HttpRequest:
        return HttpRequest("GET", "https://vendor.example/switch")

    def read(self, reply: HttpResponse, last: Renewal | None, now_ms: int) -> Renewal:
        on = read_value(reply, bool)
        return Renewal(on, self.refresh_s, halt=None if on else Halt(PANIC, self.hold))


def read_value(reply: HttpResponse, kind: type[int]) -> int:
    """Read what a feed says. Raises: FeedFailed, DecodeError."""
    if reply.status != 200:
        asked = reply.headers.get("retry-after")
        raise FeedFailed("server_error", retry_after_s=float(asked) if asked else None)
    return msgspec.json.decode(reply.body, type=kind)
