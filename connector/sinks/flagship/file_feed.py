"""The bucketing file as a feed. Pure.

Source: sheet sections 1 (headers) and 5; of two files the latest holds, also for panic (section 20, numbers 6 to 8).
"""

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import FeedFailed
from connector.sinks.contract import Renewal
from connector.sinks.flagship.bucketing import read_file
from connector.sinks.flagship.rules import RULES
from connector.sinks.flagship.settings import FlagshipSettings


class FileFeed:
    """Polls the file of one environment; what is kept on disk goes by the environment's name too."""

    def __init__(self, settings: FlagshipSettings) -> None:
        self.name = f"bucketing-{settings.env_id}"
        self._url = f"{settings.cdn_host}/{settings.env_id}/bucketing.json"
        self._rules = RULES[settings.decision_rules]
        self._every_s = settings.polling_interval
        self._halt = settings.halt
        self._batched = settings.batched
        self._limit = settings.file_limit

    def request(self, last: Renewal | None, now_ms: int, nonce: bytes) -> HttpRequest:
        headers = {} if last is None else {"If-Modified-Since": last.stamp}
        if self._batched:
            headers["Content-Type"] = "application/json"
        return HttpRequest("GET", self._url, headers, reply_bytes=self._limit)

    def read(self, reply: HttpResponse, last: Renewal | None, now_ms: int) -> Renewal:
        """Read a file that is new, or keep the one that is not. Raises: FeedFailed."""
        if reply.status == 304 and last is not None:
            return last
        stamp = reply.headers.get("last-modified")
        if reply.status != 200 or stamp is None:
            raise FeedFailed(f"status {reply.status}")
        if reply.truncated:
            raise FeedFailed(f"the file is larger than FLAGSHIP_FILE_LIMIT allows, {self._limit} bytes")
        try:
            file = read_file(reply.body, self._rules)
        except ValueError:
            raise FeedFailed("not a bucketing file") from None
        return Renewal(file, self._every_s, stamp, keep=True, halt=self._halt if file.panic else None)
