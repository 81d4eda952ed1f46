"""Endpoints with their limits, and records as one request to one of them. Pure."""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from connector import __version__
from connector.domain.exchange import HttpRequest
from connector.sinks.contract import Attempt, Endpoint, Item, Limits
from connector.sinks.suprsend.settings import SuprsendSettings
from connector.sinks.suprsend.signature import CONTENT_TYPE, http_date, sign

LIBRARY = f"kafka-vendor-connector/{__version__}"
EVENTS, TRIGGERS, WORKFLOWS, USERS = "events", "triggers", "workflows", "users"
REQUEST_BYTES = 819_200
# What the vendor adds to the size of a workflow before it holds it against the limit.
WORKFLOW_ALLOWANCE = 200
ITEM_BYTES: Mapping[str, int] = {
    EVENTS: REQUEST_BYTES,
    TRIGGERS: REQUEST_BYTES - WORKFLOW_ALLOWANCE,
    WORKFLOWS: REQUEST_BYTES - WORKFLOW_ALLOWANCE,
    USERS: 10_240,
}
"""Bytes of one record by endpoint, in the vendor's own way of writing JSON."""


def endpoints(settings: SuprsendSettings) -> dict[str, Endpoint]:
    """Return the bulk endpoints; all draw on one account.

    Units:  a request holds 800 KiB of records and its own brackets and commas.
    Source: suprsend-py-sdk 0.20.0; of the replies, docs.suprsend.com's HTTP reference: events and triggers are judged
    one by one. A trigger of many counts as many.
    """

    def endpoint(name: str, items: int, *, item_overhead: int, itemised: bool) -> Endpoint:
        limits = Limits(
            items=min(items, settings.batch_size),
            request_bytes=REQUEST_BYTES,
            item_bytes=min(ITEM_BYTES[name], REQUEST_BYTES - item_overhead - 2),
            linger_s=settings.linger_s,
            item_overhead=item_overhead,
        )
        rate = settings.rate_per_s
        return Endpoint(name, limits, timeout_s=settings.timeout_s, rate_per_s=rate, cost="item", itemised=itemised)

    made = (
        endpoint(EVENTS, 100, item_overhead=1, itemised=True),
        endpoint(TRIGGERS, 100, item_overhead=WORKFLOW_ALLOWANCE, itemised=True),
        endpoint(WORKFLOWS, 100, item_overhead=WORKFLOW_ALLOWANCE, itemised=False),
        endpoint(USERS, 400, item_overhead=1, itemised=False),
    )
    return {one.name: one for one in made}


class Requests:
    """Renders requests; holds the credentials, and shows them to nobody."""

    def __init__(self, settings: SuprsendSettings) -> None:
        base = settings.base_url
        paths = {
            EVENTS: "v2/bulk/event/",
            TRIGGERS: "trigger/",
            WORKFLOWS: f"{settings.workspace}/trigger/",
            USERS: "event/",
        }
        self._addresses = {name: (base + path, urlsplit(base + path).path) for name, path in paths.items()}
        self._headers = {"Content-Type": CONTENT_TYPE, "User-Agent": LIBRARY}
        self._credentials = _signing(settings) if settings.workspace_secret else _bearing(settings)

    def render(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        """Join the records; a later attempt has a time and a signature of its own over the same bytes."""
        url, path = self._addresses[endpoint.name]
        body = b"[" + b",".join([item.first.body for item in items]) + b"]"
        return HttpRequest("POST", url, {**self._headers, **self._credentials(body, path, attempt.now_ms)}, body)


Credentials = Callable[[bytes, str, int], Mapping[str, str]]


def _signing(settings: SuprsendSettings) -> Credentials:
    key = settings.workspace
    secret = settings.workspace_secret.get_secret_value().encode() if settings.workspace_secret else b""

    def signed(body: bytes, path: str, now_ms: int) -> Mapping[str, str]:
        date = http_date(now_ms)
        return {"Date": date, "Authorization": f"{key}:{sign(secret, 'POST', body, date, path)}"}

    return signed


def _bearing(settings: SuprsendSettings) -> Credentials:
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value() if settings.api_key else ''}"}
    return lambda body, path, now_ms: headers
