"""Hits, activations and contexts as requests, in the batched form or one by one. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from connector.domain.exchange import HttpRequest
from connector.sinks.contract import Attempt, Endpoint, Item, Limits, Payload
from connector.sinks.flagship import decisions
from connector.sinks.flagship.settings import FlagshipSettings

QUEUE_LONGEST_MS = 4 * 3_600_000
_QUEUE_TIME = b',"qt":'
_MOST_BYTES = 2_499_999
_MOST_ACTIVATIONS = 100
# Source: sheet section 1.
_HITS = {"batch": "https://events.flagship.io", "single": "https://ariane.abtasty.com"}
_SDK = {"batch": "3.0.1", "single": "2.1.5"}


def endpoints(settings: FlagshipSettings) -> Mapping[str, Endpoint]:
    """Return the endpoints of the protocol with their limits.

    Units: a batch stays below 2,500,000 bytes; activations travel by 100 at most, as the TypeScript SDK cuts them.
    Source: sheet sections 11, 14 and 20 (number 16).
    """
    sizes = {"hits": settings.batch_size, "activate": min(settings.batch_size, _MOST_ACTIVATIONS), "context": 1}
    names = ("hits", "activate") if settings.batched else ("hits", "activate", "context")
    found = {
        name: Endpoint(
            name,
            _limits(settings, name, sizes[name]),
            quota="hits" if name == "hits" else "decision",
            timeout_s=settings.timeout_s,
            rate_per_s=settings.rate_per_s,
        )
        for name in names
    }
    if settings.decisions_topic is not None:
        found[decisions.ENDPOINT] = decisions.endpoint(settings, settings.decisions_topic)
    return found


def _limits(settings: FlagshipSettings, name: str, items: int) -> Limits:
    around = sum(map(len, _around(settings, name)))
    if not settings.batched:
        return Limits(1, _MOST_BYTES, _MOST_BYTES - around, 0.0, request_overhead=around, item_overhead=0)
    queue_time = len(_QUEUE_TIME + b"%d" % QUEUE_LONGEST_MS)
    return Limits(
        items,
        _MOST_BYTES,
        _MOST_BYTES - around - queue_time - 1,
        settings.linger_s,
        request_overhead=around,
        item_overhead=queue_time + 1,
    )


def _around(settings: FlagshipSettings, name: str) -> tuple[bytes, bytes]:
    """Return what goes before and after the items of a request."""
    cid = b'{"cid":' + msgspec.json.encode(settings.env_id)
    if not settings.batched:
        return (b"", b"") if name == "context" else (cid + b",", b"")
    return (cid + b',"batch":[', b"]}") if name == "activate" else (cid + b',"t":"BATCH","ds":"APP","h":[', b"]}")


def sdk_headers(settings: FlagshipSettings) -> Mapping[str, str]:
    """Return what the official SDK says of itself."""
    return {"x-sdk-client": "python", "x-sdk-version": _SDK[settings.protocol]}


class Requests:
    """Renders requests. Neither hits nor activations carry a credential. Source: sheet section 1."""

    def __init__(self, settings: FlagshipSettings) -> None:
        self._batched = settings.batched
        self._resends_as_now = settings.too_old == "now"
        decision = f"{settings.decision_host}/v2"
        self._urls = {
            "hits": (settings.hits_host or _HITS[settings.protocol]) + "/",
            "activate": f"{decision}/activate",
            "context": f"{decision}/{settings.env_id}/events",
        }
        content = {"Content-Type": "application/json"}
        of_sdk = {**content, **sdk_headers(settings)}
        self._headers = dict.fromkeys(self._urls, of_sdk)
        if not settings.batched:
            self._headers["hits"] = content
        self._around = {name: _around(settings, name) for name in self._urls}

    def render(self, endpoint: str, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        """Join the items; how long each has waited is told at this moment, where the form has a place for it."""
        head, tail = self._around[endpoint]
        if self._batched:
            body = b",".join([self._queued(item.first, attempt.now_ms) for item in items])
        else:
            body = items[0].first.body
            if head:
                body = body[1:]
        return HttpRequest("POST", self._urls[endpoint], self._headers[endpoint], head + body + tail)

    def _queued(self, payload: Payload, now_ms: int) -> bytes:
        waited_ms = 0 if payload.time_ms is None else max(0, now_ms - payload.time_ms)
        if waited_ms > QUEUE_LONGEST_MS:
            waited_ms = 0 if self._resends_as_now else QUEUE_LONGEST_MS
        return b'%b,"qt":%d}' % (payload.body[:-1], waited_ms)
