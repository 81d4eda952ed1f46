"""What the process does about its own parts; the flows are doubles."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from connector.commands.run import Run
from connector.observe.metrics import Metrics


class Waiting:
    """A flow that runs until it is stopped."""

    kafka = ""

    def __init__(self) -> None:
        self.stopped = asyncio.Event()

    async def run(self, join: object) -> None:
        await self.stopped.wait()

    def stop(self) -> None:
        self.stopped.set()

    def trouble(self) -> dict[str, str]:
        return {}


def unwatchable() -> int:
    raise ZeroDivisionError


def test_a_process_whose_readiness_can_no_longer_be_told_drains_and_ends() -> None:
    """Nothing else would notice: its gauges and the topics it found missing would stay as they are."""

    async def main() -> None:
        plan: Any = SimpleNamespace(sinks=(), settings=None)
        process: Any = SimpleNamespace(
            registry=None,
            http=SimpleNamespace(open_connections=unwatchable),
            consumer=lambda sink, owner: None,
            decoder=(),
        )
        serving = Run(plan, process, Metrics(CollectorRegistry()))
        flow: Any = Waiting()
        serving.flows = {"plain": flow}
        async with asyncio.timeout(5.0):
            await serving.serve()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
