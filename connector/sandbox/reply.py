"""An answer on its way out: whole, by the byte, half, or not at all. Not pure."""

import asyncio
import socket
import struct
from http import HTTPStatus

from aiohttp import web

from connector.sandbox.vendor import Answer

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_JSON = "application/json"


def plain(answer: Answer) -> web.Response:
    """Say it all."""
    content_type = None if not answer.body or "Content-Type" in answer.headers else _JSON
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers, content_type=content_type)


async def drip(request: web.Request, answer: Answer, each_s: float) -> web.StreamResponse:
    """Say the head at once and the body a byte at a time."""
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": _JSON, **answer.headers})
    response.content_length = len(answer.body)
    await response.prepare(request)
    for index in range(len(answer.body)):
        await asyncio.sleep(each_s)
        await response.write(answer.body[index : index + 1])
    await response.write_eof()
    return response


def half(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Say half of the body, of the head where there is none, and close."""
    head = {"Content-Type": _JSON, **answer.headers, "Content-Length": str(len(answer.body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    phrase = HTTPStatus(answer.status).phrase if answer.status in HTTPStatus._value2member_map_ else ""
    text = f"HTTP/1.1 {answer.status} {phrase}\r\n{lines}\r\n".encode() + answer.body
    if request.transport is not None:
        request.transport.write(text[: len(text) - (len(answer.body) + 1) // 2 if answer.body else len(text) // 2])
        request.transport.close()
    return web.Response()


def cut(request: web.Request) -> web.StreamResponse:
    """Say nothing and reset the connection: the sender cannot know whether the request was taken."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.fileno() >= 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    return web.Response()
