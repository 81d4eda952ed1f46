"""What a translation needs to know per record: asked of a vendor and remembered for a while, or kept in a store."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog
from msgspec import Struct

from connector.errors import StoreFailed
from connector.pipeline.clock import Clock
from connector.pipeline.facts import Facts
from connector.sinks.contract import Endpoint, Lookup, Need, Save, StoredLookup

# A store that did not answer is not asked again for so long.
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


class Unanswered(Struct, frozen=True):
    """A need that the vendor must be asked for first, and where."""

    need: Need
    endpoint: Endpoint


class Lookups:
    """The lookups of a sink. `failed` is told each time a record goes on without its fact."""

    def __init__(
        self,
        lookups: Sequence[Lookup | StoredLookup],
        clock: Clock,
        open_store: OpenStore | None = None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self.failing: dict[str, str] = {}
        self.asked: Mapping[str, Lookup] = {}
        self._stored: dict[str, Stored] = {}
        for one in lookups:
            if isinstance(one, StoredLookup):
                if open_store is None:
                    raise TypeError(f"nothing opens the store of {one.name}")
                self._stored[one.name] = Stored(one, open_store(one), clock, failed, self.failing)
        self._facts = Facts()
        self._clock = clock
        self.adopt(lookups)

    def __bool__(self) -> bool:
        return bool(self.asked or self._stored)

    def adopt(self, lookups: Sequence[Lookup | StoredLookup]) -> None:
        """Go on with the same lookups made anew; a store stays open as it is."""
        self.asked = {one.name: one for one in lookups if not isinstance(one, StoredLookup)}

    async def find(self, need: Need) -> object | Unanswered:
        """Return a fact; None where its store may be absent and is. Raises: StoreFailed where it must answer."""
        if need.lookup in self._stored:
            return await self._stored[need.lookup].get(need.key)
        known = self._facts.known(need, self._clock.monotonic_s())
        return Unanswered(need, self.asked[need.lookup].endpoint) if known is None else known[0]

    def knows(self, need: Need) -> bool:
        """Whether what the vendor must be asked for is remembered by now."""
        return self._facts.known(need, self._clock.monotonic_s()) is not None

    def learn(self, need: Need, fact: object, size: int) -> None:
        """Remember what the vendor answered, in so many bytes."""
        now_s = self._clock.monotonic_s()
        self._facts.keep(need, fact, size, now_s=now_s, until_s=now_s + self.asked[need.lookup].ttl_s)

    async def save(self, saves: Sequence[Save]) -> None:
        """Keep what a translation found out; a later one of the same lane sees it. Raises: StoreFailed."""
        for save in saves:
            await self._stored[save.lookup].put(save.key, save.value)

    async def close(self) -> None:
        for stored in self._stored.values():
            await stored.store.close()


class Stored:
    """A lookup and its store; what a store that is down means is the lookup's to say."""

    def __init__(
        self,
        lookup: StoredLookup,
        store: Store,
        clock: Clock,
        failed: Callable[[], None],
        failing: dict[str, str],
    ) -> None:
        self.store = store
        self._lookup = lookup
        self._clock = clock
        self._failed = failed
        self._failing = failing
        self._rests_until_s = 0.0
        self._told = False
        self._keeps = True

    async def get(self, key: str) -> bytes | None:
        """Raises: StoreFailed where records wait for the store."""
        try:
            self._awake()
            value = await self.store.get(key)
        except StoreFailed as failure:
            self._after(failure, waits=self._lookup.on_failure == "wait")
            return None
        self._well(keeps=self._keeps)
        return value

    async def put(self, key: str, value: bytes | None) -> None:
        """Keep a value; to forget one is waited for whatever the store's failure means, or it would stay for ever."""
        try:
            self._awake()
            await self.store.put(key, value)
        except StoreFailed as failure:
            self._keeps = False
            self._after(failure, waits=value is None or self._lookup.on_failure == "wait")
        else:
            self._well(keeps=True)

    def _awake(self) -> None:
        """Raise what failed last while the store is left alone."""
        if self._clock.monotonic_s() < self._rests_until_s:
            raise StoreFailed(self._failing.get(self._lookup.name, "down"))

    def _well(self, *, keeps: bool) -> None:
        """Note an answer. A full disk is read from as before, so only one that keeps again is whole."""
        self._failing.pop(self._lookup.name, None)
        self._keeps = keeps
        self._told &= not keeps

    def _after(self, failure: StoreFailed, *, waits: bool) -> None:
        """Leave the store alone for a while; the record waits, or goes on without it and is counted."""
        name, now_s = self._lookup.name, self._clock.monotonic_s()
        if not self._told:
            self._told = True
            log.warning("store of saved values does not answer", lookup=name, reason=failure.reason)
        self._failing[name] = failure.reason
        if now_s >= self._rests_until_s:
            self._rests_until_s = now_s + REST_S
        if waits:
            raise failure
        self._failed()
