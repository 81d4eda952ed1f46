"""One HTTP request and its reply, as sinks make and read them. Pure."""

from collections.abc import Mapping

from msgspec import Struct


class HttpRequest(Struct, frozen=True):
    """A request, complete but for the transport's own headers (Host, Content-Length)."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class HttpResponse(Struct, frozen=True):
    """A reply whose body was read to its end, or to the bound of 1 MiB.

    Shape: header names in lower case; of a repeated header the last value.
    """

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    truncated: bool = False
