"""The sandbox: vendors behind one HTTP server, each under its own name, with faults by script. Not pure.

    POST /segment/v1/batch      what the sink sends, where `SEGMENT_HOST` is http://127.0.0.1:<port>/segment
    GET  /stats                 what each vendor counted
    GET  /received?vendor=&limit=100&rejected=0   the last items, newest first
    GET  /                      the vendors, their routes and settings

It knows no vendor: routes and the shape of every reply are theirs, faults and books are its own.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from connector.sandbox.books import MOST_KEPT, Books, shown
from connector.sandbox.faults import Fault, Quota, Trouble, chosen, draw, parse_faults
from connector.sandbox.reply import cut, drip, half, plain
from connector.sandbox.vendor import Answer, Call, Item, Route, Vendor

FAULT_HEADER = "X-Sandbox-Fault"
MOST_BYTES = 16 * 1024 * 1024
LONGEST_HANG_S = 600.0
SHOWN = 100

Accepted = Callable[[str, Sequence[Item]], None]


class Script(Struct, frozen=True):
    """What goes wrong, and the seed that decides when."""

    faults: Sequence[Fault] = ()
    seed: int = 1


class Sandbox:
    """Serves its vendors until stopped; `accepted` is told what each took."""

    def __init__(
        self,
        vendors: Sequence[Vendor],
        script: Script,
        accepted: Accepted = lambda vendor, items: None,
        kept: int = MOST_KEPT,
    ) -> None:
        self.vendors = {vendor.name: vendor for vendor in vendors}
        self.books = {name: Books(kept) for name in self.vendors}
        self.address = ""
        self._script = script
        self._chance = random.Random(script.seed)
        self._accepted = accepted
        self._used: dict[tuple[str, Quota], tuple[float, int]] = {}
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1.0)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.address = f"http://{host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    def environ(self) -> dict[str, str]:
        """Return the settings that point every sink here."""
        settings: dict[str, str] = {}
        for name, vendor in self.vendors.items():
            settings |= vendor.environ(f"{self.address}/{name}")
        return settings

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_get("/", self._index)
        app.router.add_get("/stats", self._stats)
        app.router.add_get("/received", self._received)
        for vendor in self.vendors.values():
            for name, route in vendor.routes.items():
                method, path = name.split(" ", 1)
                app.router.add_route(method, f"/{vendor.name}{path}", partial(self._serve, vendor, name, route))
        return app

    async def _serve(self, vendor: Vendor, name: str, route: Route, request: web.Request) -> web.StreamResponse:
        """Answer one request through its faults, drawn in the order in which requests come."""
        books, path = self.books[vendor.name], request.path[len(vendor.name) + 1 :]
        try:
            trouble = draw(self._faults(request), vendor.name, path, self._chance)
        except ValueError as fault:
            return plain(Answer(400, f"{FAULT_HEADER}: {fault}\n".encode()))
        if trouble.cut == "head":
            return self._cut(books, trouble, request)
        call = self._call(request, path, await request.read(), trouble)
        books.came(len(call.body), call.now_ms)
        if trouble.wait_s:
            await asyncio.sleep(trouble.wait_s)
        if trouble.cut == "before":
            return self._cut(books, trouble, request)
        answer = self._refusal(vendor, trouble) or route(call)
        answer = self._within_quota(vendor, trouble, answer)
        answer.keep()
        taken = books.took(name, answer, call.now_ms)
        if taken:
            self._accepted(vendor.name, taken)
        return await self._reply(books, trouble, answer, request)

    def _faults(self, request: web.Request) -> Sequence[Fault]:
        """The header's script in place of the server's; an empty one for none."""
        asked = request.headers.get(FAULT_HEADER)
        return self._script.faults if asked is None else parse_faults(asked)

    def _call(self, request: web.Request, path: str, body: bytes, trouble: Trouble) -> Call:
        return Call(
            request.method,
            path,
            request.raw_path,
            request.headers,
            body,
            time.time_ns() // 1_000_000,
            request.match_info,
            request.query,
            chosen(self._script.seed, trouble.bad_share),
        )

    def _refusal(self, vendor: Vendor, trouble: Trouble) -> Answer | None:
        return vendor.refusal(trouble.status, trouble.retry_after_s) if trouble.status else None

    def _within_quota(self, vendor: Vendor, trouble: Trouble, answer: Answer) -> Answer:
        """Turn the answer into the vendor's 429 once the quota of this span of time is used up."""
        quota = trouble.quota
        if quota is None or trouble.status:
            return answer
        now_s, items = time.monotonic(), len(answer.items) if answer.cost is None else answer.cost
        cost = items if quota.items else 1
        began_s, used = self._used.get((vendor.name, quota), (now_s, 0))
        if now_s >= began_s + quota.seconds:
            began_s, used = now_s, 0
        within = used + cost <= quota.count
        used += cost if within else 0
        self._used[vendor.name, quota] = (began_s, used)
        if within:
            told = {answer.used_header: f"{100 * used / quota.count:.0f}"} if answer.used_header else {}
            return msgspec.structs.replace(answer, headers={**answer.headers, **told})
        trouble.names += ("quota",)
        return vendor.refusal(429, began_s + quota.seconds - now_s)

    async def _reply(self, books: Books, trouble: Trouble, answer: Answer, request: web.Request) -> web.StreamResponse:
        if trouble.cut == "hang":
            await asyncio.sleep(LONGEST_HANG_S)
        if trouble.cut in ("after", "hang"):
            return self._cut(books, trouble, request)
        books.answered("none" if trouble.cut else str(answer.status), trouble.names)
        if trouble.cut == "half":
            return half(request, answer)
        return await drip(request, answer, trouble.drip_s) if trouble.drip_s else plain(answer)

    def _cut(self, books: Books, trouble: Trouble, request: web.Request) -> web.StreamResponse:
        books.answered("none", trouble.names)
        return cut(request)

    async def _index(self, request: web.Request) -> web.Response:
        vendors = {
            name: {"routes": sorted(vendor.routes), "settings": dict(vendor.environ(f"{self.address}/{name}"))}
            for name, vendor in self.vendors.items()
        }
        return _json({"vendors": vendors, "stats": "/stats", "received": "/received", "fault_header": FAULT_HEADER})

    async def _stats(self, request: web.Request) -> web.Response:
        return _json({name: books.stats() for name, books in self.books.items()})

    async def _received(self, request: web.Request) -> web.Response:
        wanted = request.query.get("vendor")
        limit = request.query.get("limit", str(SHOWN))
        if not limit.isdecimal() or wanted not in (None, *self.books):
            return _json({"error": "vendor must be one of these, limit a number", "vendors": list(self.books)}, 400)
        items = [
            shown(name, seen)
            for name, books in self.books.items()
            if wanted in (None, name)
            for seen in books.tail(int(limit))
        ]
        items.sort(key=lambda item: item["at_ms"], reverse=True)
        return _json({"items": items[: int(limit)]})


def _json(value: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
