"""One HTTP request and its reply, as sinks make and read them. Pure."""

from collections.abc import Mapping

from msgspec import Struct

REPLY_BYTES = 1 << 20


class HttpRequest(Struct, frozen=True):
    """A request, complete but for the transport's own headers (Host, Content-Length).

    `reply_bytes` is the most that is read of the reply's body.
    """

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""
    reply_bytes: int = REPLY_BYTES


class HttpResponse(Struct, frozen=True):
    """A reply whose body was read to its end, or to the bound of its request (`truncated`).

    Shape: header names in lower case; of a repeated header the last value.
    """

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    truncated: bool = False
