"""The same Track events as hits, in batches of 100; nothing is asked or remembered of their visitors."""

from typing import Any

import msgspec
from msgspec import Struct

from tests.bench.workloads import Arrived, Workload
from tests.bench.workloads.segment import event as track


class Hit(Struct):
    cuid: str
    el: str


_HIT = msgspec.json.Decoder(Hit)


def event(number: int, key: str, sequence: int, now_ms: int) -> dict[str, Any]:
    # A hit has no room for properties.
    return {**track(number, key, sequence, now_ms), "label": f"{sequence} {now_ms}"}


def arrived(body: bytes) -> Arrived:
    hit = _HIT.decode(body)
    sequence, produced_ms = map(int, hit.el.split())
    return Arrived(hit.cuid, sequence, produced_ms)


WORKLOAD = Workload("Track", event, arrived, most_of_floor=2.2, settings={"FLAGSHIP_BATCH_SIZE": "100"})
