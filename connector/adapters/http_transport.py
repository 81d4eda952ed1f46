"""An httpx transport over aiohttp that knows whether a body may have left. Not pure.

Each aiohttp error is translated here, once, by `_translated`. "Not sent" is claimed only while no byte of the body
was handed to the socket.
"""

import asyncio
import errno
import select
import socket
import ssl
import sys
import weakref
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import aiohttp
import httpx
from aiohttp import AddrInfoType
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import StreamWriter
from aiohttp.http_exceptions import ContentLengthError, TransferEncodingError
from aiohttp.payload import BytesPayload
from msgspec import Struct
from multidict import CIMultiDict
from yarl import URL

from connector.adapters.keep_alive import KeepAlive
from connector.errors import Ambiguous, ConnectorError, NotSent, SetupFailed

PROGRESS = "connector.progress"
_DNS_TTL_S = 30
_KEEP_ALIVE_S = 15.0
_HANGUP = 0 if sys.platform == "win32" else select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)
_AUTO_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
# A peer that hangs up during the handshake is failing, not misconfigured: it is tried again like a refused connection.
_HANDSHAKE_CUT = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


class HttpOptions(Struct, frozen=True):
    """How connections are made.

    `read_timeout_s` bounds the silence after a request and within a reply; none leaves that to the total deadline.
    """

    max_connections: int = 64
    connect_timeout_s: float = 5.0
    read_timeout_s: float | None = None
    proxy: str = ""
    ca_file: str = ""


class Progress:
    """How far one request came; a transport that does not report counts as having sent it.

    `connected` says that a connection was made for it.
    """

    __slots__ = ("connected", "left", "queued")

    def __init__(self) -> None:
        self.connected = False
        self.left = True
        self.queued = False


# The request for which this task makes a connection.
_connecting: ContextVar[Progress] = ContextVar("connecting")


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Connections shared by all requests. Made inside the running loop. Raises: SetupFailed."""

    def __init__(self, options: HttpOptions) -> None:
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._proxy = options.proxy
        self._free = asyncio.Semaphore(options.max_connections)
        self._hosts = KeepAlive()
        self._trusted = _tls(options.ca_file)
        self._session = self._make(options, keepalive_timeout=_KEEP_ALIVE_S)
        self._single = self._make(options, force_close=True)

    def _make(self, options: HttpOptions, **keeping: Any) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # the semaphore is the limit: it tells waiting for a connection from making one
                ttl_dns_cache=_DNS_TTL_S,
                ssl=self._trusted,
                socket_factory=self._socket,
                **keeping,
            ),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=options.connect_timeout_s, sock_read=options.read_timeout_s
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_AUTO_HEADERS,
            auto_decompress=False,
            trust_env=False,
            proxy=options.proxy or None,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send once, and answer as soon as the reply's head is there. Raises: NotSent, Ambiguous, SetupFailed."""
        progress = request.extensions.get(PROGRESS) or Progress()
        progress.left, progress.queued = False, True
        await self._free.acquire()
        progress.queued = False
        try:
            reply = await self._exchange(request, progress)
        except BaseException:
            self._free.release()
            raise
        return httpx.Response(reply.status, headers=list(reply.raw_headers), stream=_ReplyBody(reply, self._free))

    async def _exchange(self, request: httpx.Request, progress: Progress) -> aiohttp.ClientResponse:
        body = await request.aread()
        try:
            return await self._attempt(request, body, progress)
        except NotSent as error:
            if error.kind != "reset" or self._session.closed:
                raise
        # The vendor had closed an idle connection; by now the event loop knows of every other one closed with it.
        return await self._attempt(request, body, progress)

    async def _attempt(self, request: httpx.Request, body: bytes, progress: Progress) -> aiohttp.ClientResponse:
        payload = _WatchedBody(body, progress) if body else None
        # Nothing shows when a request without a body is written, so it counts as sent from the start.
        progress.left, progress.connected = payload is None, False
        _connecting.set(progress)
        host, now_s = request.url.netloc.decode(), asyncio.get_running_loop().time()
        session = self._session if self._hosts.trusted(host, now_s) else self._single
        try:
            reply = await session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=CIMultiDict((name.decode(), value.decode()) for name, value in request.headers.raw),
                data=payload,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, ValueError) as error:
            told = _translated(error, progress.left, bool(self._proxy))
            if not progress.connected and isinstance(told, NotSent | Ambiguous) and told.kind == "reset":
                self._hosts.hung_up(host, now_s)
            raise told from None
        self._hosts.answered(host, reused=not progress.connected)
        if not progress.left:
            # What was read is the rest of an earlier exchange on this connection, no answer to this request.
            reply.close()
            raise NotSent("reset")
        if self._proxy and reply.status == 407:
            reply.close()
            raise SetupFailed("proxy", "the proxy demands credentials (407)")
        return reply

    def open_connections(self) -> int:
        """Count sockets that are connecting, in use or idle."""
        return sum(1 for sock in self._sockets if sock.fileno() >= 0)

    async def aclose(self) -> None:
        await self._session.close()
        await self._single.close()

    def _socket(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, _ = address
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets.add(sock)
        if (progress := _connecting.get(None)) is not None:
            progress.connected = True
        return sock


class _ReplyBody(httpx.AsyncByteStream):
    """The reply's body as it arrives; closing it early closes the connection."""

    def __init__(self, reply: aiohttp.ClientResponse, slot: asyncio.Semaphore) -> None:
        self._reply = reply
        self._slot: asyncio.Semaphore | None = slot

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while chunk := await self._reply.content.readany():
                yield chunk
        except aiohttp.ClientError as error:
            raise _translated(error, True, False) from None

    async def aclose(self) -> None:
        if self._slot is not None:
            self._reply.close()
            self._slot.release()
            self._slot = None


class _WatchedBody(BytesPayload):
    """A body that notes when it is handed to the socket, is written once, and only to a sound connection."""

    def __init__(self, body: bytes, progress: Progress) -> None:
        super().__init__(body)
        self._progress = progress

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._start(writer)
        await super().write(writer)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._start(writer)
        await super().write_with_length(writer, content_length)

    def _start(self, writer: AbstractStreamWriter) -> None:
        # aiohttp by itself repeats a PUT or DELETE whose connection was closed; here it may not.
        if self._progress.left or _is_spoiled(writer):
            raise ConnectionResetError(errno.ECONNRESET, "connection closed before the request was written")
        self._progress.left = True


def _is_spoiled(writer: AbstractStreamWriter) -> bool:
    """Tell whether the vendor already hung up on this connection, or left unread bytes on it.

    The kernel is asked as well: it knows of a close before the event loop has come round to it.
    """
    if not isinstance(writer, StreamWriter):
        return False
    transport, protocol = writer.transport, writer.protocol
    if transport is None or transport.is_closing() or (isinstance(protocol, ResponseHandler) and protocol.should_close):
        return True
    sock = transport.get_extra_info("socket")
    if sys.platform == "win32" or sock is None:
        return False
    poll = select.poll()
    poll.register(sock.fileno(), _HANGUP)
    return bool(poll.poll(0))


def _tls(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file) if ca_file else httpx.create_ssl_context(trust_env=False)
    except OSError:
        raise SetupFailed("tls", "the file of certificate authorities cannot be read") from None


def _translated(error: Exception, left: bool, proxied: bool) -> ConnectorError:
    """Translate an aiohttp error; `left` tells whether a byte of the body may have reached the socket."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.ClientHttpProxyError):
        return _unconnected(error, proxied)
    if isinstance(error, ValueError | aiohttp.NonHttpUrlClientError):
        return SetupFailed("address", "the URL or a header is malformed")
    if not left:
        return NotSent("reset")
    if isinstance(error, aiohttp.SocketTimeoutError):
        return Ambiguous("read_timeout")
    # The parser names what was missing when a connection ended within a body.
    cut_short = isinstance(error.__cause__, ContentLengthError | TransferEncodingError)
    if isinstance(error, aiohttp.ClientConnectionError) or cut_short:
        return Ambiguous("reset")
    return Ambiguous("protocol")


def _unconnected(error: Exception, proxied: bool) -> ConnectorError:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return SetupFailed("tls", getattr(error.certificate_error, "verify_message", ""))
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        cause = error.os_error
        return (
            NotSent("connect")
            if isinstance(cause, _HANDSHAKE_CUT)
            else SetupFailed("tls", getattr(cause, "reason", ""))
        )
    if isinstance(error, aiohttp.ClientHttpProxyError):
        # A gateway's 5xx is about the vendor behind it.
        return NotSent("connect") if error.status >= 500 else SetupFailed("proxy", f"CONNECT answered {error.status}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return SetupFailed("proxy", "its name is not found") if proxied else NotSent("dns")
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return SetupFailed("proxy", "it cannot be connected to")
    if isinstance(error, aiohttp.ConnectionTimeoutError) or getattr(error, "errno", None) == errno.ETIMEDOUT:
        return NotSent("connect_timeout")
    return NotSent("connect")
