"""A vendor's HTTP server on raw sockets that misbehaves by script. Not pure.

It knows no vendor and decides every byte and its moment; the sandbox of the package is the other way round.

async with Vendor(lambda request: Reply(status=503)) as vendor:
    ... vendor.url, vendor.received
"""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Callable, Mapping
from typing import Literal, Self, cast

from msgspec import Struct

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Request(Struct, frozen=True):
    """What was received. `number` counts requests of the server, `connection` its connections, both from 1."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    number: int
    connection: int
    received_s: float  # monotonic, the same clock in every process


class Reply(Struct, frozen=True):
    """What to answer.

    Shape: the reply is `raw`, else status line, headers, a Content-Length unless they frame it, and `body` times
           `times`; only its first `cut_at` bytes are sent, then `then` happens.
    """

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""
    times: int = 1
    raw: bytes | None = None
    delay_s: float = 0.0
    held: asyncio.Event | None = None  # answered only once it is set
    drip: Literal["", "all", "body"] = ""  # a byte at a time from here on
    drip_s: float = 0.05
    cut_at: int | None = None
    then: Literal["keep", "close", "reset", "hang"] = "keep"


NEVER = Reply(cut_at=0, then="hang")


class Vendor:
    """Answers by `script`; `greet` refuses a connection by a reset, `cut` says after how many bytes of the body
    (0: after the head) a request is answered by a reset."""

    def __init__(
        self,
        script: Callable[[Request], Reply],
        *,
        greet: Callable[[int], bool] = lambda connection: True,
        cut: Callable[[Request], int | None] = lambda head: None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.script = script
        self.greet = greet
        self.cut = cut
        self.received: list[Request] = []
        self.connections = 0
        self.requests = 0
        self.live: set[_Connection] = set()
        self.port = 0
        self._tls = tls
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The base URL; by name where a certificate is checked."""
        return f"https://localhost:{self.port}" if self._tls else f"http://127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for connection in list(self.live):
                connection.end("reset")
            await self._server.wait_closed()

    @property
    def open_connections(self) -> set[int]:
        """The numbers of the connections that neither side has ended."""
        return {connection.number for connection in self.live}

    def drop_idle(self, how: Literal["close", "reset"] = "close") -> None:
        """End every connection that has no request open."""
        for connection in list(self.live):
            if connection.idle:
                connection.end(how)

    def speak_unasked(self, text: bytes) -> None:
        """Write to every connection that has no request open."""
        for connection in list(self.live):
            if connection.idle:
                connection.speak(text)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()


class _Connection(asyncio.Protocol):
    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._buffer = bytearray()
        self._head: Request | None = None
        self._length = 0
        self._cut: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()

    @property
    def idle(self) -> bool:
        return self._head is None and self._task is None and not self._buffer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self._vendor.connections += 1
        self.number = self._vendor.connections
        self._vendor.live.add(self)
        if not self._vendor.greet(self.number):
            self.end("reset")

    def connection_lost(self, exc: Exception | None) -> None:
        self._vendor.live.discard(self)
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._task is None:
            self._advance()

    def _advance(self) -> None:
        if self._head is None and not self._parse_head():
            return
        if self._cut is not None and len(self._buffer) >= self._cut:
            self.end("reset")
            return
        if self._head is None or len(self._buffer) < self._length:
            return
        head, body = self._head, bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        self._head = None
        request = Request(head.method, head.path, head.headers, body, head.number, self.number, time.monotonic())
        self._vendor.received.append(request)
        self._answer(self._vendor.script(request))

    def _parse_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        method, path, _ = first.split(" ", 2)
        pairs = (line.split(":", 1) for line in lines)
        headers = {name.lower(): value.strip() for name, value in pairs}
        self._vendor.requests += 1
        self._length = int(headers.get("content-length", "0"))
        self._head = Request(method, path, headers, b"", self._vendor.requests, self.number, time.monotonic())
        self._cut = self._vendor.cut(self._head)
        return True

    def _answer(self, reply: Reply) -> None:
        if not reply.delay_s and reply.held is None and not reply.drip and reply.times == 1:
            self._transport.write(_rendered(reply)[: reply.cut_at])
            self.end(reply.then)
        else:
            self._task = asyncio.get_running_loop().create_task(self._answer_slowly(reply))

    async def _answer_slowly(self, reply: Reply) -> None:
        await asyncio.sleep(reply.delay_s)
        if reply.held is not None:
            await reply.held.wait()
        text = _rendered(reply)[: reply.cut_at]
        at_once = {"": len(text), "all": 0, "body": text.find(b"\r\n\r\n") + 4}[reply.drip]
        self._transport.write(text[:at_once])
        for index in range(at_once, len(text)):
            await asyncio.sleep(reply.drip_s)
            self._transport.write(text[index : index + 1])
        for _ in range(reply.times - 1):
            await self._may_write.wait()
            self._transport.write(reply.body)
        self._task = None
        self.end(reply.then)
        if not self._transport.is_closing():
            self._advance()

    def speak(self, text: bytes) -> None:
        self._transport.write(text)

    def end(self, how: Literal["keep", "close", "reset", "hang"]) -> None:
        """End the connection, or leave it as it is."""
        if how == "close":
            self._transport.close()
        elif how == "reset":
            closing = self._transport.is_closing()
            sock = None if closing else self._transport.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()


def _rendered(reply: Reply) -> bytes:
    if reply.raw is not None:
        return reply.raw
    headers = dict(reply.headers)
    if not {"content-length", "transfer-encoding"} & {name.lower() for name in headers}:
        headers["Content-Length"] = str(len(reply.body) * reply.times)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} Scripted\r\n{lines}\r\n".encode() + reply.body
