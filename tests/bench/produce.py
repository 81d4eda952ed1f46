"""Produces a workload's events, as fast as can be or at a pace."""

import time
from collections.abc import Iterator
from itertools import count as numbers

from confluent_kafka import Producer

from tests.bench.workloads import Workload
from tests.integration.events import confluent_head, encode

KEYS = 20_000
HEAD_BYTES = 5
_TICK_S = 0.01


class Source:
    """Makes events over a fixed number of keys, each key's sequence without gaps, under one schema id."""

    def __init__(self, workload: Workload, bootstrap: str, registry: str, topic: str) -> None:
        self.size_bytes = 0
        self.made = 0
        self._workload = workload
        self._topic = topic
        self._head = confluent_head(registry, topic, workload.kind)
        settings = {"linger.ms": 5, "enable.idempotence": True, "queue.buffering.max.messages": 200_000}
        self._producer = Producer({"bootstrap.servers": bootstrap, **settings})
        self._numbers = numbers()

    def all_at_once(self, count: int) -> Iterator[int]:
        """Produce so many; yield how many there are, now and then."""
        for number in range(count):
            self._one()
            if number % 5000 == 0:
                yield number
        self._producer.flush(60)
        yield count

    def paced(self, per_s: int, seconds: float) -> Iterator[int]:
        """Produce at a pace; yield after each tick."""
        began_s, before = time.monotonic(), self.made
        while (passed_s := time.monotonic() - began_s) < seconds:
            while self.made - before < passed_s * per_s:
                self._one()
            self._producer.poll(0)
            yield self.made
            time.sleep(_TICK_S)
        self._producer.flush(60)

    def _one(self) -> None:
        number = next(self._numbers)
        # A stride that has no factor in common with the number of keys spreads them, and every key comes round in turn.
        key, sequence = f"user-{number * 7919 % KEYS}", number // KEYS
        value = encode(
            self._workload.kind, self._workload.event(number, key, sequence, time.time_ns() // 1_000_000), self._head
        )
        self._producer.produce(self._topic, value, key.encode())
        self._producer.poll(0)
        self.made += 1
        self.size_bytes += len(value)
