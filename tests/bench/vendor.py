"""The vendor: the sandbox in a process of its own, that counts what it takes and looks at order and age."""

import asyncio
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized

import uvloop
from msgspec import Struct

from connector.sandbox.faults import parse_faults
from connector.sandbox.server import Sandbox, Script
from connector.sandbox.vendor import Item
from connector.sandbox.vendors import VENDORS
from tests.bench.workloads import workload


class Seen(Struct, frozen=True):
    """What was taken: `late` events followed a later one of their key, `ages_ms` run to the answer."""

    requests: int
    late: int
    ages_ms: list[int]


def serve(sink: str, latency_ms: int, arrived: "Synchronized[int]", parent: Connection) -> None:
    """Send the parent the settings that lead here, serve until it answers, and send what was seen."""
    uvloop.run(_serve(sink, latency_ms, arrived, parent))


async def _serve(sink: str, latency_ms: int, arrived: "Synchronized[int]", parent: Connection) -> None:
    read = workload(sink).arrived
    latest: dict[str, int] = {}
    ages_ms: list[int] = []
    late = 0

    def took(_: str, items: Sequence[Item]) -> None:
        nonlocal late
        now_ms = time.time_ns() // 1_000_000
        for item in items:
            event = read(item.body)
            late += event.sequence <= latest.get(event.key, -1)
            latest[event.key] = event.sequence
            ages_ms.append(now_ms - event.produced_ms)
        arrived.value = len(ages_ms)

    sandbox = Sandbox([VENDORS[sink]()], Script(parse_faults(f"latency={latency_ms}ms")), took, kept=1)
    await sandbox.start()
    parent.send(sandbox.environ())
    await asyncio.to_thread(parent.recv)
    parent.send(Seen(sandbox.books[sink].requests, late, ages_ms))
    await sandbox.stop()
