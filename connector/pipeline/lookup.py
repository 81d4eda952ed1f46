"""What a translation needs from outside: feeds kept fresh, lookups asked once and remembered for a while."""

import asyncio
import random
from collections.abc import Mapping, Sequence

import structlog

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import Ambiguous, FeedFailed, NotSent, SetupFailed
from connector.pipeline.backoff import delay_s
from connector.pipeline.clock import Clock
from connector.pipeline.deliver import NONCE_BYTES, Http
from connector.sinks.contract import Feed, Lookup, Need, Renewal, Save

REQUEST_TIMEOUT_S = 10.0
RETRY_FIRST_S = 0.5
RETRY_LONGEST_S = 30.0
HOLD_S = 1.0
MOST_FACTS = 100_000

log = structlog.get_logger(__name__)


async def _ask(http: Http, request: HttpRequest) -> HttpResponse:
    try:
        return await http.send(request, timeout_s=REQUEST_TIMEOUT_S)
    except (NotSent, Ambiguous, SetupFailed) as failure:
        raise FeedFailed(failure.kind) from failure


class Feeds:
    """The feeds of a sink, each on its last good value."""

    def __init__(self, feeds: Sequence[Feed], http: Http, clock: Clock, chance: random.Random) -> None:
        self.values: dict[str, object] = {feed.name: None for feed in feeds}
        self._feeds = {feed.name: feed for feed in feeds}
        self._last: dict[str, Renewal] = {}
        self._renewing: dict[str, asyncio.Task[bool]] = {}
        self._http = http
        self._clock = clock
        self._chance = chance

    def adopt(self, feeds: Sequence[Feed]) -> None:
        """Go on with the same feeds made anew, with other credentials perhaps; their last values stand."""
        self._feeds = {feed.name: feed for feed in feeds}

    async def run(self) -> None:
        """Keep every feed fresh until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name in self._feeds:
                group.create_task(self._keep_fresh(name))

    async def renew(self, name: str) -> bool:
        """Renew one feed now; callers at the same time share one request. False where the last value stands."""
        task = self._renewing.get(name)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._renew(self._feeds[name]))
            self._renewing[name] = task
            task.add_done_callback(lambda _: self._renewing.pop(name, None))
        return await asyncio.shield(task)

    async def _keep_fresh(self, name: str) -> None:
        failures = 0
        while True:
            if await self.renew(name):
                failures = 0
                await asyncio.sleep(self._last[name].refresh_s)
            else:
                failures += 1
                await asyncio.sleep(delay_s(failures, self._chance, first_s=RETRY_FIRST_S, longest_s=RETRY_LONGEST_S))

    async def _renew(self, feed: Feed) -> bool:
        last = self._last.get(feed.name)
        try:
            nonce = self._chance.randbytes(NONCE_BYTES)
            reply = await _ask(self._http, feed.request(last, self._clock.now_ms(), nonce))
            renewal = feed.read(reply, last, self._clock.now_ms())
        except FeedFailed as failure:
            log.warning("feed not renewed, its last value stands", feed=feed.name, reason=failure.reason)
            return False
        self._last[feed.name] = renewal
        self.values[feed.name] = renewal.value
        return True


class Lookups:
    """The lookups of a sink. Facts are remembered by need, the oldest forgotten first."""

    def __init__(self, lookups: Sequence[Lookup], http: Http, clock: Clock, chance: random.Random) -> None:
        self._lookups = {lookup.name: lookup for lookup in lookups}
        self._facts: dict[Need, tuple[object, float]] = {}
        self._http = http
        self._clock = clock
        self._chance = chance

    def __bool__(self) -> bool:
        return bool(self._lookups)

    def adopt(self, lookups: Sequence[Lookup]) -> None:
        """Go on with the same lookups made anew."""
        self._lookups = {lookup.name: lookup for lookup in lookups}

    async def facts(self, needs: Sequence[Need]) -> Mapping[Need, object]:
        """Answer each need; a fact is None where its lookup may be absent and is."""
        return {need: await self._fact(need) for need in needs}

    def save(self, saves: Sequence[Save]) -> None:
        """Remember what a translation found out; a later one of the same lane sees it."""
        for save in saves:
            self._remember(Need(save.lookup, save.key), save.value)

    async def _fact(self, need: Need) -> object:
        lookup, failures = self._lookups[need.lookup], 0
        while True:
            known = self._facts.get(need)
            if known is not None and known[1] > self._clock.monotonic_s():
                return known[0]
            request = lookup.request(need, self._clock.now_ms())
            if request is None:
                return None
            try:
                fact = lookup.read(need, await _ask(self._http, request))
            except FeedFailed:
                if lookup.on_failure == "absent":
                    return None
                failures += 1
                await asyncio.sleep(delay_s(failures, self._chance, first_s=RETRY_FIRST_S, longest_s=RETRY_LONGEST_S))
            else:
                self._remember(need, fact)
                return fact

    def _remember(self, need: Need, fact: object) -> None:
        self._facts.pop(need, None)
        self._facts[need] = (fact, self._clock.monotonic_s() + self._lookups[need.lookup].ttl_s)
        if len(self._facts) > MOST_FACTS:
            del self._facts[next(iter(self._facts))]
