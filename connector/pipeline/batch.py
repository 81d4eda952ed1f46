"""Deliveries, and the batches they travel in. Pure."""

from collections.abc import Sequence
from functools import cached_property

from msgspec import Struct

from connector.pipeline.acknowledge import OpenRecord
from connector.pipeline.setup import Setup
from connector.sinks.contract import Endpoint, Item, Limits, Payload

MERGED_FULL = 250


class Delivery(Struct, frozen=True, eq=False, gc=False):
    """One payload of one record, the unit that is acknowledged.

    `key` is its order key, None where order does not matter. `deadline_ms`: it is not sent after that time.
    """

    opened: OpenRecord
    payload: Payload
    key: bytes | None
    since_s: float
    deadline_ms: int | None = None


class Batch(Struct, frozen=True, eq=False, dict=True):
    """Deliveries that share one request, and what became of it so far.

    Shape: a bundle is the deliveries of one wire item: one, or several merged under an equal head.
    `sends`       requests so far; `status` of the last reply.
    `failures`    those in a row that failed retryably; `limits_met` answers that asked for less.
    `suspect`     others of its quota went through while it failed, so it is being taken apart.
    `faults`      set-up faults it met, under `accusation` the last; `convictions` those that were about its content.
    `parked_since_s`  it is a single that waits with its key; `parked_for_s` so far, while the vendor was healthy.
    `crowds`      what is parked holds too much: it is tried without a wait, and given up after the last such try.
    """

    endpoint: Endpoint
    bundles: tuple[tuple[Delivery, ...], ...]
    trigger: str
    sends: int = 0
    failures: int = 0
    failing_since_s: float | None = None
    first_failure_ms: int | None = None
    suspect: bool = False
    parked_since_s: float | None = None
    parked_for_s: float = 0.0
    crowds: bool = False
    limits_met: int = 0
    status: int = 0
    accusation: int = 0
    faults: int = 0
    convictions: int = 0
    refreshed: bool = False

    def deliveries(self) -> Sequence[Delivery]:
        return [delivery for bundle in self.bundles for delivery in bundle]

    @property
    def count(self) -> int:
        return sum(map(len, self.bundles))

    @property
    def setup(self) -> Setup:
        return self.endpoint.name, self.bundles[0][0].payload.group

    @property
    def parked(self) -> bool:
        return self.parked_since_s is not None

    @property
    def tried(self) -> int:
        """How often it failed, in whatever way."""
        return self.failures + self.faults

    @property
    def keys(self) -> frozenset[bytes]:
        return frozenset(delivery.key for delivery in self.deliveries() if delivery.key is not None)

    def items(self) -> tuple[Item, ...]:
        # Lists, not generators, here and below: these run over every delivery of every batch.
        return tuple([Item(tuple([delivery.payload for delivery in bundle])) for bundle in self.bundles])

    @cached_property
    def size(self) -> int:
        """Bytes of its request, by the endpoint's limits."""
        limits = self.endpoint.limits
        return limits.request_overhead + sum([bundle_size(bundle, limits) for bundle in self.bundles])


def bundle_size(bundle: Sequence[Delivery], limits: Limits) -> int:
    """Bytes that a wire item adds to its request."""
    size = limits.item_overhead + len(bundle[0].payload.merge or b"")
    for delivery in bundle:
        size += len(delivery.payload.body) + limits.member_overhead
    return size


def full(limits: Limits) -> int:
    """How many deliveries are company enough for a request; those that merge are ended by their bytes, as a rule."""
    return min(limits.items * limits.members, max(limits.items, MERGED_FULL))


def too_large(payload: Payload, limits: Limits) -> bool:
    """Whether no request may carry this payload, even alone."""
    size = len(payload.merge or b"") + len(payload.body) + limits.member_overhead
    return size > limits.item_bytes or size + limits.item_overhead + limits.request_overhead > limits.request_bytes


class Filling:
    """A batch while it is cut: takes deliveries of one endpoint and group as long as they fit."""

    def __init__(self, first: Delivery, endpoint: Endpoint, request_bytes: int) -> None:
        self.endpoint = endpoint
        self.group = first.payload.group
        self.bundles: list[list[Delivery]] = []
        self.keys: set[bytes | None] = set()
        self.trigger = ""
        self._limits = limits = endpoint.limits
        self._overhead = limits.item_overhead + limits.member_overhead
        self._most_bytes = min(request_bytes, limits.request_bytes)
        self._size = limits.request_overhead
        self._open: dict[bytes | None, tuple[list[Delivery], int]] = {}
        self.add(first)

    def accepts(self, delivery: Delivery) -> bool:
        """Whether this one belongs here: same endpoint and group, and where replies are itemised a key not yet in."""
        payload = delivery.payload
        if payload.endpoint != self.endpoint.name or payload.group != self.group:
            return False
        return not (self.endpoint.itemised and delivery.key in self.keys)

    def add(self, delivery: Delivery) -> bool:
        """Take it; False, and a trigger is set, where the batch is full without it. The first always fits."""
        payload, key = delivery.payload, delivery.key
        if payload.merge is not None and self._merged(delivery):
            return True
        size = self._overhead + len(payload.body) + len(payload.merge or b"")
        if self.bundles:
            if len(self.bundles) >= self._limits.items:
                self.trigger = "count"
                return False
            if self._size + size > self._most_bytes:
                self.trigger = "bytes"
                return False
        bundle = [delivery]
        self.bundles.append(bundle)
        self._size += size
        if self.endpoint.itemised and key is not None:
            self.keys.add(key)
        if payload.merge is not None:
            self._open[key] = (bundle, size - self._limits.item_overhead)
            return True
        if self._open:
            self._open.pop(key, None)
        if len(self.bundles) >= self._limits.items:
            self.trigger = "count"
        return True

    def _merged(self, delivery: Delivery) -> bool:
        """Join the last bundle of the same key, where the heads are equal and it still fits."""
        bundle, size = self._open.get(delivery.key, (None, 0))
        if bundle is None or bundle[0].payload.merge != delivery.payload.merge:
            return False
        more = len(delivery.payload.body) + self._limits.member_overhead
        if len(bundle) >= self._limits.members or size + more > self._limits.item_bytes:
            return False
        if self._size + more > self._most_bytes:
            return False
        bundle.append(delivery)
        self._size += more
        self._open[delivery.key] = (bundle, size + more)
        return True

    def batch(self, trigger: str) -> Batch:
        return Batch(self.endpoint, tuple(map(tuple, self.bundles)), self.trigger or trigger)
