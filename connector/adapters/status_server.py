"""One port for metrics, health and a page for people. No secrets, no user data."""

import errno
import json
import socket
from html import escape

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from connector.errors import Problem, SettingsError
from connector.observe.status import SinkStatus, Status

# A scrape that is under way may end; it must not hold a stop up.
STOP_S = 2.0
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1c2330}table{"
    "border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .7rem;border-bottom:1px solid #dde2ea}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}.bad{color:#b3261e;font-weight:600}.good{color:#1a7f42}"
)
_COLUMNS = ("sink", "state", "circuit", "partitions", "open records", "oldest", "requests", "letters", "last error")


class StatusServer:
    """Serves /metrics, /livez, /readyz and / until stopped."""

    def __init__(self, host: str, port: int, status: Status, registry: CollectorRegistry) -> None:
        self.port = port
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
        rows = "".join(map(_row, self._status.sinks()))
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


def _row(sink: SinkStatus) -> str:
    tone = "bad" if sink.trouble else "good"
    numbers = (sink.partitions, sink.in_flight, f"{sink.oldest_age_s:.1f} s", sink.requests, sink.letters_pending)
    cells = "".join(f"<td class=n>{escape(str(number))}</td>" for number in numbers)
    return (
        f"<tr><td>{escape(sink.name)}</td><td class={tone}>{escape(sink.state)}</td><td>{escape(sink.circuit)}</td>"
        f"{cells}<td>{escape(sink.last_error)}</td></tr>"
    )
