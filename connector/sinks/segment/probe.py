"""Whether Segment knows a write key, asked for without sending an event. Pure.

The tracking API does not say so reliably: its 200 is no promise.
"""

from urllib.parse import quote

from connector import __version__
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import FeedFailed
from connector.sinks.contract import Renewal
from connector.sinks.segment.settings import SegmentSettings


class WriteKeyProbe:
    """Fetches the public settings of a source.

    Source: segmentio/action-destinations, the "Segment" destination, read 2026-08-21; one host serves both regions.
    """

    name = "write key"

    def __init__(self, settings: SegmentSettings, host: str) -> None:
        key = quote(settings.write_key.get_secret_value(), safe="")
        self._url = f"{host}/v1/projects/{key}/settings"

    def request(self, last: Renewal | None, now_ms: int, nonce: bytes) -> HttpRequest:
        return HttpRequest("GET", self._url, {"User-Agent": f"kafka-vendor-connector/{__version__}"})

    def read(self, reply: HttpResponse, last: Renewal | None, now_ms: int) -> Renewal:
        """Take any success. Raises: FeedFailed."""
        if 200 <= reply.status < 300:
            return Renewal(True, float("inf"))
        if 400 <= reply.status < 500 and reply.status not in (408, 429):
            raise FeedFailed(f"not known to the vendor (status {reply.status}); mend SEGMENT_WRITE_KEY")
        raise FeedFailed(f"could not be tried (status {reply.status})")
