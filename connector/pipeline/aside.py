"""Batches of a lane that must be sent again, and the deliveries that wait behind their keys. Pure."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from connector.pipeline.batch import Batch, Delivery
from connector.pipeline.judge import Again
from connector.pipeline.split import without


class Aside:
    """One batch set aside. `followers` hold a later delivery of its keys, in order."""

    __slots__ = ("batch", "blocks", "followers", "keys", "not_before_s")

    def __init__(self, again: Again) -> None:
        self.batch = again.batch
        self.not_before_s = again.not_before_s
        self.blocks = again.blocks
        self.keys = again.batch.keys
        self.followers: list[Delivery] = []

    def deliveries(self) -> Iterator[Delivery]:
        """Its own, and those that wait behind it."""
        yield from self.batch.deliveries()
        yield from self.followers

    @property
    def charged(self) -> int:
        """Bytes that its records hold of the budget."""
        return sum(delivery.opened.charged for delivery in self.deliveries())


class Asides:
    """The set-aside batches of one lane, in order.

    A key belongs to the last batch that holds it: what comes later of that key waits there. A batch waits for earlier
    ones that share a key, or that block its quota. `free` takes back, in order, what waits no longer.
    """

    def __init__(self, free: Callable[[Sequence[Delivery]], None]) -> None:
        self._free = free
        self._all: list[Aside] = []
        self.held: dict[bytes, list[Delivery]] = {}

    def __iter__(self) -> Iterator[Aside]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def blocked(self, probes: Callable[[Batch], bool] = lambda batch: False) -> set[str]:
        """Quotas for which the lane starts nothing new; what `probes` blocks nothing, anything there is may probe."""
        return {aside.batch.endpoint.quota for aside in self._all if aside.blocks and not probes(aside.batch)}

    def in_turn(self, probes: Callable[[Batch], bool] = lambda batch: False) -> Iterator[Aside]:
        """Those that no earlier one stands in the way of; what `probes` neither blocks nor is blocked."""
        blocked: set[str] = set()
        keys: set[bytes] = set()
        for aside in self._all:
            quota = aside.batch.endpoint.quota
            probing = probes(aside.batch)
            if (probing or quota not in blocked) and keys.isdisjoint(aside.keys):
                yield aside
            if aside.blocks and not probing:
                blocked.add(quota)
            keys |= aside.keys

    def replace(self, old: Aside | None, again: Iterable[Again]) -> None:
        """Put what must go again in the old one's place, and hand its followers on: to these, or back."""
        new = [Aside(one) for one in again]
        if old is None:
            self._all += new
        else:
            at = self._all.index(old)
            self._all[at : at + 1] = new
            self._release(old.followers, new)
        self._hold()

    def drop(self, gone: Callable[[Delivery], bool], flying: Collection[Aside | None]) -> None:
        """Forget deliveries, wherever they wait; what waited behind a key that is free now goes back.

        What is on the wire stays as it is until its reply.
        """
        for aside in list(self._all):
            aside.followers[:] = [delivery for delivery in aside.followers if not gone(delivery)]
            batch = aside.batch if aside in flying else without(aside.batch, gone)
            if batch is not aside.batch:
                kept = [] if batch is None else [Again(batch, aside.not_before_s, aside.blocks, "")]
                self.replace(aside, kept)

    def _release(self, followers: Sequence[Delivery], new: Sequence[Aside]) -> None:
        freed = []
        for delivery in followers:
            holder = next((aside for aside in reversed(new) if delivery.key in aside.keys), None)
            if holder is None:
                freed.append(delivery)
            else:
                holder.followers.append(delivery)
        self._free(freed)

    def _hold(self) -> None:
        self.held = {key: aside.followers for aside in self._all for key in aside.keys}
