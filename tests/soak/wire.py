"""Between a broker and its clients: passes everything, but spoils commits of offsets while told to. Not pure."""

import asyncio
import struct
import threading
from typing import Literal, Self

COMMIT_OFFSETS = 8
_NO_GENERATION = struct.pack(">i", 1 << 30)

Spoiling = Literal["", "generation", "silence"]


class Wire:
    """A port that leads to a broker, for a broker that advertises it.

    While `spoils` says so a group's commits are given a generation that never was, which the broker refuses, or
    never reach it. `spoilt` counts them.
    """

    def __init__(self, port: int, broker_port: int) -> None:
        self.spoils: Spoiling = ""
        self.spoilt = 0
        self._group = b""
        self._ports = port, broker_port
        # Of its own: whoever looks at the broker may block the loop of the test, which would block this.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def spoil(self, group: str, how: Spoiling) -> None:
        self._group, self.spoils = group.encode(), how

    def __enter__(self) -> Self:
        self._thread.start()
        opening = asyncio.start_server(self._serve, "127.0.0.1", self._ports[0])
        asyncio.run_coroutine_threadsafe(opening, self._loop).result(10)
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(_end_all(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self._ports[1])
        except OSError:
            writer.close()
            return
        ways = [asyncio.create_task(self._forward(reader, forth)), asyncio.create_task(_pass_on(back, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in ways:
                one.cancel()
            for end in (writer, forth):
                end.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on request by request: each is led by its length, then the number of its kind."""
        while True:
            try:
                head = await reader.readexactly(4)
                request = await reader.readexactly(struct.unpack(">i", head)[0])
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            passed = self._spoil(request)
            if passed is not None:
                writer.write(head + passed)
                await writer.drain()

    def _spoil(self, request: bytes) -> bytes | None:
        # Kind, version, number and the client's name lead; that name has the group's in it too.
        kind, _, _, named = struct.unpack_from(">hhih", request)
        at = request.find(self._group, 10 + named) if self._group else -1
        if kind != COMMIT_OFFSETS or at < 0 or not self.spoils:
            return request
        self.spoilt += 1
        if self.spoils == "silence":
            return None
        # The generation, or the member's epoch, follows the group's name.
        at += len(self._group)
        return request[:at] + _NO_GENERATION + request[at + 4 :]


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while some := await reader.read(1 << 16):
            writer.write(some)
            await writer.drain()
    except ConnectionError:
        return


async def _end_all() -> None:
    """Cancel whatever else the loop runs."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)
