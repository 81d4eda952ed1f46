"""What a translation needs to know per record: asked of a vendor and remembered for a while, or of a store."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Protocol

import structlog

from connector.errors import FeedFailed, StoreFailed
from connector.pipeline.backoff import delay_s
from connector.pipeline.clock import Clock
from connector.pipeline.deliver import Http
from connector.pipeline.feed import RETRY_FIRST_S, RETRY_LONGEST_S, ask, understood
from connector.sinks.contract import Lookup, Need, Save, StoredLookup

MOST_FACTS = 100_000
# A store that did not answer is not asked again for so long, where records go on without it.
REST_S = 1.0

log = structlog.get_logger(__name__)


class Store(Protocol):
    """Values by key that outlive the process."""

    async def get(self, key: str) -> bytes | None:
        """Return a value. Raises: StoreFailed, within a bounded time."""
        ...

    async def put(self, key: str, value: bytes | None) -> None:
        """Keep a value, or forget it where it is None. Raises: StoreFailed, within a bounded time."""
        ...

    async def close(self) -> None: ...


OpenStore = Callable[[StoredLookup], Store]


class Lookups:
    """The lookups of a sink. Facts asked of a vendor are remembered by need for their time, the oldest forgotten first.

    `failed` is told each time a record goes on without its fact.
    """

    def __init__(
        self,
        lookups: Sequence[Lookup | StoredLookup],
        http: Http,
        clock: Clock,
        chance: random.Random,
        open_store: OpenStore | None = None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self.failing: dict[str, str] = {}
        self._asked = {one.name: one for one in lookups if not isinstance(one, StoredLookup)}
        self._stored: dict[str, Stored] = {}
        for one in lookups:
            if isinstance(one, StoredLookup):
                if open_store is None:
                    raise TypeError(f"nothing opens the store of {one.name}")
                self._stored[one.name] = Stored(one, open_store(one), clock, chance, failed, self.failing)
        self._facts: dict[Need, tuple[object, float]] = {}
        self._free_s: dict[str, float] = {}
        self._http = http
        self._clock = clock
        self._chance = chance
        self._failed = failed

    def __bool__(self) -> bool:
        return bool(self._asked or self._stored)

    def adopt(self, lookups: Sequence[Lookup | StoredLookup]) -> None:
        """Go on with the same lookups made anew; a store stays open as it is."""
        self._asked = {one.name: one for one in lookups if not isinstance(one, StoredLookup)}

    async def facts(self, needs: Sequence[Need]) -> Mapping[Need, object]:
        """Answer each need; a fact is None where its lookup may be absent and is."""
        return {need: await self._fact(need) for need in needs}

    async def save(self, saves: Sequence[Save]) -> None:
        """Remember what a translation found out; a later one of the same lane sees it."""
        for save in saves:
            if save.lookup in self._stored:
                await self._stored[save.lookup].put(save.key, save.value)
            else:
                self._remember(Need(save.lookup, save.key), save.value)

    async def close(self) -> None:
        for stored in self._stored.values():
            await stored.store.close()

    async def _fact(self, need: Need) -> object:
        if need.lookup in self._stored:
            return await self._stored[need.lookup].get(need.key)
        failures = 0
        while True:
            # Anew each time: credentials may have been mended since.
            lookup = self._asked[need.lookup]
            known = self._facts.get(need)
            if known is not None and known[1] > self._clock.monotonic_s():
                return known[0]
            request = lookup.request(need, self._clock.now_ms())
            if request is None:
                return None
            try:
                await self._pace(lookup)
                reply = await ask(self._http, request)
                fact = understood(partial(lookup.read, need, reply))
            except FeedFailed as failure:
                if lookup.on_failure == "absent":
                    self._failed()
                    return None
                if lookup.name not in self.failing:
                    log.warning("lookup does not answer, its records wait", lookup=lookup.name, reason=failure.reason)
                self.failing[lookup.name] = failure.reason
                failures += 1
                await asyncio.sleep(delay_s(failures, self._chance, first_s=RETRY_FIRST_S, longest_s=RETRY_LONGEST_S))
            else:
                self.failing.pop(lookup.name, None)
                self._remember(need, fact)
                return fact

    async def _pace(self, lookup: Lookup) -> None:
        """Wait for this question's place in the row that the rate leaves."""
        if lookup.rate_per_s is None:
            return
        now_s = self._clock.monotonic_s()
        at_s = max(now_s, self._free_s.get(lookup.name, now_s))
        self._free_s[lookup.name] = at_s + 1.0 / lookup.rate_per_s
        if at_s > now_s:
            await asyncio.sleep(at_s - now_s)

    def _remember(self, need: Need, fact: object) -> None:
        now_s = self._clock.monotonic_s()
        self._facts.pop(need, None)
        self._facts[need] = (fact, now_s + self._asked[need.lookup].ttl_s)
        # One more than comes in, so that what nobody asks for again does not stay.
        for oldest in list(islice(self._facts, 2)):
            if len(self._facts) > MOST_FACTS or self._facts[oldest][1] <= now_s:
                del self._facts[oldest]


class Stored:
    """A lookup and its store; what a store that is down means is the lookup's to say."""

    def __init__(
        self,
        lookup: StoredLookup,
        store: Store,
        clock: Clock,
        chance: random.Random,
        failed: Callable[[], None],
        failing: dict[str, str],
    ) -> None:
        self.store = store
        self._lookup = lookup
        self._clock = clock
        self._chance = chance
        self._failed = failed
        self._failing = failing
        self._rests_until_s = 0.0

    async def get(self, key: str) -> bytes | None:
        failures = 0
        while not self._rests():
            try:
                value = await self.store.get(key)
            except StoreFailed as failure:
                failures += 1
                await self._after(failure, failures)
            else:
                self._failing.pop(self._lookup.name, None)
                return value
        return None

    async def put(self, key: str, value: bytes | None) -> None:
        """Keep a value; to forget one is waited for whatever the store's failure means, or it would stay for ever."""
        failures, forgets = 0, value is None
        while forgets or not self._rests():
            try:
                await self.store.put(key, value)
            except StoreFailed as failure:
                failures += 1
                await self._after(failure, failures, waits=forgets)
            else:
                self._failing.pop(self._lookup.name, None)
                return

    def _rests(self) -> bool:
        """Whether a record goes on without the store now; counted."""
        if self._clock.monotonic_s() >= self._rests_until_s:
            return False
        self._failed()
        return True

    async def _after(self, failure: StoreFailed, failures: int, *, waits: bool = False) -> None:
        name = self._lookup.name
        if name not in self._failing:
            log.warning("store of saved values does not answer", lookup=name, reason=failure.reason)
        self._failing[name] = failure.reason
        if self._lookup.on_failure == "absent" and not waits:
            self._rests_until_s = self._clock.monotonic_s() + REST_S
        else:
            await asyncio.sleep(delay_s(failures, self._chance, first_s=RETRY_FIRST_S, longest_s=RETRY_LONGEST_S))
