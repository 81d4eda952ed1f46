"""The feeds of a sink: polled or renewed, each kept on its last good value, in memory and where asked for on disk."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar

import msgspec
import structlog
from msgspec.structs import replace

from connector.domain.exchange import REPLY_BYTES, HttpRequest, HttpResponse
from connector.errors import Ambiguous, FeedFailed, NotSent, SetupFailed
from connector.pipeline.backoff import delay_s
from connector.pipeline.clock import Clock
from connector.pipeline.deliver import NONCE_BYTES, Http
from connector.pipeline.retry_after import retry_after_s
from connector.sinks.contract import Feed, Halt, Renewal

REQUEST_TIMEOUT_S = 10.0
RETRY_FIRST_S = 0.5
RETRY_LONGEST_S = 30.0
RETRY_AFTER_LONGEST_S = 900.0
HOLD_S = 1.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Shelf(Protocol):
    """Where replies are kept over a restart, by the name of their feed. Neither method raises."""

    def read(self, name: str) -> bytes | None: ...
    def write(self, name: str, content: bytes) -> None: ...


async def ask(http: Http, request: HttpRequest) -> HttpResponse:
    """Ask once. Raises: FeedFailed, where no reply came."""
    try:
        return await http.send(request, timeout_s=REQUEST_TIMEOUT_S)
    except (NotSent, Ambiguous, SetupFailed) as failure:
        raise FeedFailed(failure.kind) from failure


def understood(read: Callable[[], T]) -> T:
    """Have a reply read; a reading that fails in a way of its own is met like a reply nobody can read.

    Raises: FeedFailed.
    """
    try:
        return read()
    except FeedFailed:
        raise
    except Exception as fault:  # whatever a vendor says, no flow ends of it
        raise FeedFailed("unreadable") from fault


class Feeds:
    """The feeds of a sink, each on its last good value. `before_retry` is called before a failed one is asked again."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        http: Http,
        clock: Clock,
        chance: random.Random,
        shelf: Shelf | None = None,
        before_retry: Callable[[], None] = lambda: None,
    ) -> None:
        self.values: Mapping[str, object] = {feed.name: None for feed in feeds}
        self.failing: dict[str, str] = {}
        self.halt: Halt | None = None
        self._feeds = {feed.name: feed for feed in feeds}
        self._last: dict[str, Renewal] = {}
        self._renewing: dict[str, asyncio.Task[FeedFailed | None]] = {}
        self._http = http
        self._clock = clock
        self._chance = chance
        self._shelf = shelf
        self._before_retry = before_retry
        # Until when a feed is not asked for again, and the failure that asked for it.
        self._told_to_wait: dict[str, tuple[float, FeedFailed]] = {}

    def adopt(self, feeds: Sequence[Feed]) -> None:
        """Go on with the same feeds made anew, with other credentials perhaps; their last values stand."""
        self._feeds = {feed.name: feed for feed in feeds}

    async def run(self) -> None:
        """Keep every feed fresh until cancelled, which ends what is being asked as well."""
        try:
            async with asyncio.TaskGroup() as group:
                for name in self._feeds:
                    group.create_task(self._keep_fresh(name))
        finally:
            asking = list(self._renewing.values())
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def renew(self, name: str, refused: object = None) -> bool:
        """Renew one feed now, unless the value that was refused is no longer its own. False where the last stands."""
        if refused is not None and self.values[name] is not refused:
            return True
        return await self._ask_once(name) is None

    async def _ask_once(self, name: str) -> FeedFailed | None:
        """Ask for a feed; callers at the same time share one request, and none asks before the time it was told."""
        until_s, told = self._told_to_wait.get(name, (0.0, None))
        if told is not None and self._clock.monotonic_s() < until_s:
            return told
        task = self._renewing.get(name)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._renew(self._feeds[name]))
            self._renewing[name] = task
            task.add_done_callback(lambda _: self._renewing.pop(name, None))
        return await asyncio.shield(task)

    async def _keep_fresh(self, name: str) -> None:
        failures = 0
        while True:
            failure = await self._ask_once(name)
            if failure is None:
                failures = 0
                await asyncio.sleep(self._last[name].refresh_s)
                continue
            failures += 1
            wait_s = delay_s(failures, self._chance, first_s=RETRY_FIRST_S, longest_s=RETRY_LONGEST_S)
            until_s, _ = self._told_to_wait.get(name, (0.0, None))
            await asyncio.sleep(max(wait_s, until_s - self._clock.monotonic_s()))
            self._before_retry()

    async def _renew(self, feed: Feed) -> FeedFailed | None:
        last = self._last.get(feed.name) or self._shelved(feed)
        reply: HttpResponse | None = None
        try:
            nonce = self._chance.randbytes(NONCE_BYTES)
            reply = await ask(self._http, feed.request(last, self._clock.now_ms(), nonce))
            read = partial(understood, partial(feed.read, reply, last, self._clock.now_ms()))
            # To read a file of many MiB takes seconds, which deliveries and probes of liveness do not have.
            renewal = read() if len(reply.body) <= REPLY_BYTES else await asyncio.to_thread(read)
        except FeedFailed as failure:
            self.failing[feed.name] = failure.reason
            stands = "its last value stands" if last is not None and last.value is not None else "there is none yet"
            log.warning(f"feed not renewed, {stands}", feed=feed.name, reason=failure.reason)
            headers = reply.headers if reply is not None else {}
            asked_s = failure.retry_after_s or retry_after_s(
                headers, self._clock.now_ms(), longest_s=RETRY_AFTER_LONGEST_S
            )
            if asked_s:
                wait_s = min(asked_s, RETRY_AFTER_LONGEST_S)
                self._told_to_wait[feed.name] = (self._clock.monotonic_s() + wait_s, failure)
            if failure.stamp:
                last = replace(last or Renewal(None, 0.0), stamp=failure.stamp)
            if last is not None:
                self._adopt(feed, last)
            return failure
        self.failing.pop(feed.name, None)
        self._adopt(feed, renewal)
        if self._shelf is not None and renewal.keep and (last is None or renewal.stamp != last.stamp):
            self._shelf.write(feed.name, msgspec.msgpack.encode(reply))
        return None

    def _adopt(self, feed: Feed, renewal: Renewal) -> None:
        self._last[feed.name] = renewal
        before, self.halt = self.halt, next((one.halt for one in self._last.values() if one.halt is not None), None)
        if before != self.halt:
            log.warning("sink halted by its feed" if self.halt else "sink released by its feed", feed=feed.name)
        # A new mapping: what was sent with the old one can be told from what it would be sent with now.
        self.values = {**self.values, feed.name: renewal.value}

    def _shelved(self, feed: Feed) -> Renewal | None:
        """Read what an earlier process kept; what cannot be read is as good as none."""
        content = self._shelf.read(feed.name) if self._shelf is not None else None
        if content is None:
            return None
        try:
            kept = msgspec.msgpack.decode(content, type=HttpResponse)
            return understood(lambda: feed.read(kept, None, self._clock.now_ms()))
        except (FeedFailed, msgspec.DecodeError) as fault:
            log.warning("feed kept on disk cannot be read", feed=feed.name, fault=type(fault).__name__)
            return None
