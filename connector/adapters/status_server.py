"""One port for metrics, health and a page for people. No secrets, no user data."""

import errno
import json
import socket
import time
from collections import Counter
from collections.abc import Callable
from html import escape

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from connector.errors import Problem, SettingsError
from connector.observe.families import PREFIX
from connector.observe.readback import RESOLVED, by_sink
from connector.observe.status import SinkStatus, Status

# A scrape that is under way may end; it must not hold a stop up.
STOP_S = 2.0
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1c2330}table{"
    "border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .7rem;border-bottom:1px solid #dde2ea}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}.bad{color:#b3261e;font-weight:600}.good{color:#1a7f42}"
)
_COLUMNS = (
    *("sink", "state", "circuit", "partitions", "lag", "oldest", "records/s"),
    *("open records", "requests", "letters", "last error"),
)
_LAG = PREFIX + "consumer_lag_records"
# Shorter spans say little of a pace, and two who look must not shorten each other's.
PACE_S = 4.0


class StatusServer:
    """Serves /metrics, /livez, /readyz and / until stopped."""

    def __init__(
        self,
        host: str,
        port: int,
        status: Status,
        registry: CollectorRegistry,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.port = port
        self._monotonic_s = monotonic_s
        self._looked = (monotonic_s(), Counter[str]())
        self._host = host
        self._status = status
        self._registry = registry
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/livez", self._live)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/", self._page)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_S)

    async def start(self) -> None:
        """Listen; port 0 takes a free one. Raises: SettingsError where the port cannot be had."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        try:
            await site.start()
        except OSError as fault:
            await self._runner.cleanup()
            raise SettingsError([self._problem(fault)]) from fault
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()

    def _problem(self, fault: OSError) -> Problem:
        if isinstance(fault, socket.gaierror) or fault.errno == errno.EADDRNOTAVAIL:
            return Problem("CONNECTOR_HTTP_HOST", f"{self._host} is no address of this machine")
        why = "is in use" if fault.errno == errno.EADDRINUSE else f"cannot be listened on: {fault.strerror}"
        return Problem("CONNECTOR_HTTP_PORT", f"port {self.port} {why}; set another")

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _live(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n") if self._status.alive() else web.Response(status=503, text="not alive\n")

    async def _ready(self, request: web.Request) -> web.Response:
        checks = self._status.checks()
        ready = all(check.ok for check in checks.values())
        body = {
            "ready": ready,
            "checks": {name: {"ok": check.ok, "detail": check.detail} for name, check in sorted(checks.items())},
        }
        return web.Response(
            status=200 if ready else 503, text=json.dumps(body, indent=1) + "\n", content_type="application/json"
        )

    async def _page(self, request: web.Request) -> web.Response:
        head = "".join(f"<th>{escape(name)}</th>" for name in _COLUMNS)
        lags, paces = by_sink(self._registry, _LAG), self._paces()
        rows = "".join(_row(sink, lags.get(sink.name), paces[sink.name]) for sink in self._status.sinks())
        failing = [(name, check.detail) for name, check in sorted(self._status.checks().items()) if not check.ok]
        wrong = "".join(f"<li><b>{escape(name)}</b> {escape(detail)}</li>" for name, detail in failing)
        notes = f"<h2 class=bad>Not ready</h2><ul>{wrong}</ul>" if wrong else "<p class=good>Ready</p>"
        page = (
            "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=5>"
            f"<title>connector</title><style>{_STYLE}</style><h1>connector</h1>{notes}"
            f"<table><tr>{head}</tr>{rows}</table>"
            "<p><a href=/metrics>metrics</a> · <a href=/readyz>readiness</a></p></html>"
        )
        return web.Response(text=page, content_type="text/html")

    def _paces(self) -> Counter[str]:
        """Return each sink's resolved records in a second, since the page was last looked at."""
        (since_s, before), now_s = self._looked, self._monotonic_s()
        resolved, took_s = by_sink(self._registry, RESOLVED), now_s - since_s
        if took_s >= PACE_S:
            self._looked = (now_s, resolved)
        return Counter({sink: round((resolved[sink] - before[sink]) / max(took_s, 1.0)) for sink in resolved})


def _row(sink: SinkStatus, lag: int | None, pace: int) -> str:
    tone = "bad" if sink.trouble else "good"
    numbers = (
        *(sink.partitions, "?" if lag is None else lag, f"{sink.oldest_age_s:.1f} s", pace),
        *(sink.in_flight, sink.requests, sink.letters_pending),
    )
    cells = "".join(f"<td class=n>{escape(str(number))}</td>" for number in numbers)
    return (
        f"<tr><td>{escape(sink.name)}</td><td class={tone}>{escape(sink.state)}</td><td>{escape(sink.circuit)}</td>"
        f"{cells}<td>{escape(sink.last_error)}</td></tr>"
    )
