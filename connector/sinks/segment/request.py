"""A batch of messages as one request to the batch endpoint. Pure."""

import gzip
from base64 import b64encode
from collections.abc import Mapping, Sequence

import msgspec

from connector import __version__
from connector.domain.exchange import HttpRequest
from connector.sinks.contract import Attempt, Endpoint, Item, Limits
from connector.sinks.segment.settings import SegmentSettings
from connector.sinks.segment.timestamp import iso
from connector.sinks.segment.token import TOKEN

_HEAD = b'{"batch":['
_SENT_AT = b'],"sentAt":"'
_WRITE_KEY = b'","writeKey":'


def endpoint(settings: SegmentSettings) -> Endpoint:
    """Return the batch endpoint with its limits.

    Units: a body stays below 500,000 bytes, the strict reading of "500 KB"; a message within 32,768.
    Source: segment.com/docs, "HTTP API" and "Product limits", read 2025-11-07.
    """
    envelope = len(_HEAD + _SENT_AT + iso(0).encode() + _tail(settings))
    limits = Limits(
        items=settings.batch_size,
        request_bytes=499_999,
        item_bytes=32_768,
        linger_s=settings.linger_s,
        request_overhead=envelope,
    )
    return Endpoint("batch", limits, timeout_s=settings.timeout_s, rate_per_s=settings.rate_per_s)


class Requests:
    """Renders requests; holds the credentials, and shows them to nobody."""

    def __init__(self, settings: SegmentSettings) -> None:
        self._url = settings.url
        self._tail = _tail(settings)
        self._by_token = settings.oauth_client_id is not None
        self._gzip = settings.gzip == "on"
        headers = {"Content-Type": "application/json", "User-Agent": f"kafka-vendor-connector/{__version__}"}
        if self._gzip:
            headers["Content-Encoding"] = "gzip"
        if not self._by_token:
            credentials = b64encode(f"{settings.write_key.get_secret_value()}:".encode()).decode()
            headers["Authorization"] = f"Basic {credentials}"
        self._headers: Mapping[str, str] = headers

    def render(self, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        """Join the messages; only `sentAt` and the count of retries tell one attempt from another.

        Source: segment-analytics-python 2.4.0 on the wire.
        """
        headers = self._headers
        if self._by_token:
            headers = {**headers, "Authorization": f"Bearer {attempt.feeds.get(TOKEN)}"}
        if attempt.number > 1:
            headers = {**headers, "X-Retry-Count": str(attempt.number - 1)}
        messages = b",".join([item.first.body for item in items])
        body = b"".join((_HEAD, messages, _SENT_AT, iso(attempt.now_ms).encode(), self._tail))
        if self._gzip:
            # Without a time in its header, so that equal requests are equal bytes.
            body = gzip.compress(body, mtime=0)
        return HttpRequest("POST", self._url, headers, body)


def _tail(settings: SegmentSettings) -> bytes:
    return _WRITE_KEY + msgspec.json.encode(settings.write_key.get_secret_value()) + b"}"
