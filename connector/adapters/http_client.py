"""HttpRequest -> HttpResponse, once, within a total time and a bound on what is read. Not pure."""

import asyncio
import zlib
from functools import lru_cache

import httpx

from connector import __version__
from connector.adapters.http_transport import PROGRESS, AiohttpTransport, HttpOptions, Progress
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import Ambiguous, ConnectorError, NotSent, SetupFailed

USER_AGENT = f"kafka-vendor-connector/{__version__}"
_COMPRESSED = ("gzip", "x-gzip", "deflate")
_DEFAULTS = (("user-agent", USER_AGENT), ("accept", "*/*"), ("accept-encoding", "identity"))
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class HttpClient:
    """The one client of a process: no redirects, cookies, netrc or settings from the environment.

    Made inside the running loop; `transport` stands in for the network. It is used without `httpx.AsyncClient`, which
    adds just those four, and takes a third of a request's time for it.
    """

    def __init__(self, options: HttpOptions, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport or AiohttpTransport(options)

    async def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        """Send once and read the reply, all within the time. Raises: NotSent, Ambiguous, SetupFailed."""
        progress = Progress()
        message = _message(request, progress)
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self._transport.handle_async_request(message)
                try:
                    body, truncated = await _read(reply, request.reply_bytes)
                finally:
                    await reply.aclose()
        except TimeoutError:
            raise _late(progress) from None
        except httpx.TransportError as error:
            raise _translated(error) from None
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reply.headers.raw}
        return HttpResponse(status=reply.status_code, headers=headers, body=body, truncated=truncated)

    def open_connections(self) -> int:
        """Count sockets that are connecting, in use or idle."""
        return self._transport.open_connections() if isinstance(self._transport, AiohttpTransport) else 0

    async def close(self) -> None:
        await self._transport.aclose()


# A sink has few URLs, and parsing one costs a tenth of a request.
_url = lru_cache(maxsize=256)(httpx.URL)


def _message(request: HttpRequest, progress: Progress) -> httpx.Request:
    try:
        headers = list(request.headers.items())
        own = {name.lower() for name in request.headers}
        headers += [(name, value) for name, value in _DEFAULTS if name not in own]
        return httpx.Request(
            request.method,
            _url(request.url),
            headers=headers,
            stream=httpx.ByteStream(request.body),
            extensions={PROGRESS: progress},
        )
    except (httpx.InvalidURL, UnicodeError):
        raise SetupFailed("address", "the URL or a header is malformed") from None


async def _read(reply: httpx.Response, most: int) -> tuple[bytes, bool]:
    """Read to the end or the bound; what the vendor compressed unasked counts by its full size."""
    inflater = None
    if reply.headers.get("content-encoding", "").lower() in _COMPRESSED:
        inflater = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
    body = bytearray()
    received = 0
    async for chunk in reply.aiter_raw():
        received += len(chunk)
        room = most + 1 - len(body)
        try:
            body += inflater.decompress(chunk, room) if inflater else chunk[:room]
        except zlib.error:
            raise Ambiguous("protocol") from None
        if max(received, len(body)) > most:
            return bytes(body[:most]), True
    if inflater and body and not inflater.eof:
        raise Ambiguous("protocol")
    return bytes(body), False


def _late(progress: Progress) -> ConnectorError:
    if progress.left:
        return Ambiguous("deadline")
    return NotSent("pool_timeout" if progress.queued else "deadline")


def _translated(error: httpx.TransportError) -> ConnectorError:
    """Translate an error of httpx itself or of a transport that stands in for ours."""
    match error:
        case httpx.UnsupportedProtocol():
            return SetupFailed("address", "not an http or https URL")
        case httpx.ProxyError():
            return SetupFailed("proxy")
        case httpx.ConnectTimeout():
            return NotSent("connect_timeout")
        case httpx.PoolTimeout():
            return NotSent("pool_timeout")
        case httpx.ConnectError():
            return NotSent("connect")
        case httpx.ReadTimeout() | httpx.WriteTimeout():
            return Ambiguous("read_timeout")
        case httpx.NetworkError():
            return Ambiguous("reset")
        case _:
            return Ambiguous("protocol")
