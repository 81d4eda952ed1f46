"""Batches as one request to the bulk endpoint, or one batch to the single one. Pure."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from uuid import UUID, uuid5

import msgspec

from connector import __version__
from connector.domain.exchange import HttpRequest
from connector.sinks.contract import Endpoint, Item, Limits
from connector.sinks.mparticle.settings import MparticleSettings, Pair

_BATCHES = UUID("3c9a4f0e-6f0d-5b5c-9a51-8f2f5d2f7c11")
# A batch around its events and its head, whose first brace gives way to the comma before it.
_EVENTS, _ID = b'{"events":[', b'],"source_request_id":"'
_AROUND = len(_EVENTS + _ID) + 36 + len(b'"')
_MOST_EVENTS = 1_000


def endpoint(settings: MparticleSettings) -> Endpoint:
    """Return the endpoint in use with its limits; its pace counts batches, as the vendor's quota does.

    Units: a batch within 128,000 bytes and a request below 256,000, the strict readings of "128 kB" and "256 kB".
    Source: docs.mparticle.com, "HTTP API" and "Default Service Limits", October 2023.
    """
    bulk = settings.upload == "bulk"
    limits = Limits(
        items=settings.batch_size if bulk else 1,
        request_bytes=255_999,
        item_bytes=128_000 - _AROUND,
        linger_s=settings.linger_s,
        members=_MOST_EVENTS if settings.merge == "on" else 1,
        request_overhead=1 if bulk else 0,
        item_overhead=_AROUND + 1,
        member_overhead=1,
    )
    name = "bulkevents" if bulk else "events"
    return Endpoint(name, limits, timeout_s=settings.timeout_s, rate_per_s=settings.rate_per_s, cost="item")


class Requests:
    """Renders requests; holds the credentials by group, and shows them to nobody."""

    def __init__(self, settings: MparticleSettings, endpoint: str) -> None:
        self._url = f"{settings.url}/{endpoint}"
        self._bulk = endpoint == "bulkevents"
        self._headers = {group: _headers(pair) for group, pair in settings.pairs.items()}

    def render(self, items: Sequence[Item]) -> HttpRequest:
        """Join the batches; all attempts are alike.

        Source: mparticle Python SDK 0.16.1 on the wire; credentials in UTF-8 by docs.mparticle.com, "HTTP API".
        """
        batches = b",".join([_batch(item) for item in items])
        body = b"[" + batches + b"]" if self._bulk else batches
        # A key pair that was taken out of the settings is one of the others again.
        headers = self._headers.get(items[0].first.group) or self._headers[""]
        return HttpRequest("POST", self._url, headers, body)


def request_id(item: Item) -> str:
    """Name a batch by what is in it: a repeated id is dropped, so other members must mean another one.

    Source: docs.mparticle.com, "JSON Reference", October 2023.
    """
    return str(uuid5(_BATCHES, msgspec.json.encode([member.id for member in item.members]).decode()))


def _batch(item: Item) -> bytes:
    """Render one batch; one that tells of a profile alone names no events.

    Source: docs.mparticle.com, "User Profiles", October 2023.
    """
    head = (item.first.merge or b"{}")[1:]
    named = request_id(item).encode()
    events = b",".join([member.body for member in item.members if member.body])
    if not events:
        return b'{"source_request_id":"' + named + b'",' + head
    return b"".join((_EVENTS, events, _ID, named, b'",', head))


def _headers(pair: Pair) -> Mapping[str, str]:
    credentials = b64encode(f"{pair.key}:{pair.secret}".encode()).decode()
    return {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": f"kafka-vendor-connector/{__version__}",
        "Authorization": f"Basic {credentials}",
    }
