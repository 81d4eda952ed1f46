"""What the process does about its own parts; the flows are doubles."""

import asyncio
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from connector.commands.run import Run
from connector.observe.metrics import Metrics
from tests.doubles import clock


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


class Asked(Counter[str]):
    """Kafka, which has the topics of `a` alone, and how often it was asked for each."""

    async def __call__(self, topic: str) -> bool:
        self[topic] += 1
        return topic.endswith(".a")


def made(kafka: Asked, *sinks: str, connections: Callable[[], int] = lambda: 0) -> Run:
    connector = SimpleNamespace(dead_letter_prefix="letters")
    enabled = tuple(SimpleNamespace(name=name, endpoints={}) for name in sinks)
    plan: Any = SimpleNamespace(sinks=enabled, settings=SimpleNamespace(connector=connector))
    process: Any = SimpleNamespace(
        registry=None,
        http=SimpleNamespace(open_connections=connections),
        consumer=lambda sink, owner: None,
        decoder=(),
        flow=lambda sink: Waiting(),
    )
    return Run(plan, process, Metrics(CollectorRegistry()), kafka)


def test_a_process_whose_readiness_can_no_longer_be_told_drains_and_ends() -> None:
    """Nothing else would notice: its gauges and the topics it found missing would stay as they are."""

    def unknown() -> int:
        raise ZeroDivisionError

    async def main() -> None:
        async with asyncio.timeout(5.0):
            await made(Asked(), "a", connections=unknown).serve()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())


def test_a_topic_that_is_written_to_is_asked_for_twice_a_minute_and_more_often_while_it_is_missing() -> None:
    kafka = Asked()

    async def main() -> None:
        serving = made(kafka, "a", "b")
        ending = asyncio.ensure_future(serving.serve())
        await asyncio.sleep(59.0)
        failing = [name for name, check in serving.checks().items() if not check.ok]
        assert failing == ["dead_letters.b"]
        serving.stop()
        await ending

    clock.run(main())
    assert kafka == {"letters.a": 2, "letters.b": 12}
