"""The dead-letter topic, and how a process writes to it."""

import asyncio
import random
from collections.abc import Callable

from connector.errors import WriteFailed
from connector.pipeline.dead_letter import Letter
from tests.simulation.loop import WORLD, Host
from tests.simulation.oracle import Oracle
from tests.simulation.records import Fate, Tenure
from tests.simulation.scenario import Scenario
from tests.simulation.story import Story
from tests.simulation.weather import Weather

MOST_BYTES = 2500


class LetterTopic:
    """One for all processes. In bad weather it fails, sometimes after it took the letter."""

    def __init__(self, scenario: Scenario, oracle: Oracle, story: Story, weather: Weather) -> None:
        self.oracle = oracle
        self.story = story
        self.chance = random.Random(f"{scenario.seed}/letters")
        self._weather = weather
        self._flaky = scenario.theme in ("letters", "everything")
        self._calm = False

    def calm_down(self) -> None:
        self._calm = True

    def fault(self, letter: Letter) -> str:
        """Return the kind of failure of this attempt, empty for none."""
        size = len(letter.value or b"") + len(letter.key or b"")
        if size > MOST_BYTES:
            return "too_large"
        if self._weather.has("letters"):
            return self.chance.choice(("timed_out", "refused", "queue_full", "fatal"))
        if self._flaky and not self._calm and self.chance.random() < 0.1:
            return self.chance.choice(("timed_out", "fatal"))
        return ""


class LetterProducer:
    """The `Producer` of one process."""

    def __init__(self, topic: LetterTopic, host: Host, now_ms: Callable[[], int]) -> None:
        self._topic = topic
        self._host = host
        self._now_ms = now_ms

    def produce(self, letter: Letter) -> "asyncio.Future[None]":
        topic, loop = self._topic, asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        if self._host.gone:
            future.cancel()
            return future
        found = topic.oracle.letter(self._host, letter, self._now_ms())
        if found is None:
            return future
        fate, tenure = found
        fault = topic.fault(letter)
        topic.story.say("{} writes the letter of {} {}", self._host.name, fate.place, fault)
        if not fault or (fault == "timed_out" and topic.chance.random() < 0.5):
            loop.call_later(topic.chance.uniform(0.001, 0.2), topic.oracle.written, fate, tenure, context=WORLD)
        loop.call_later(topic.chance.uniform(0.2, 1.0), self._report, future, fate, tenure, fault, context=WORLD)
        return future

    async def close(self) -> None:
        """Nothing is buffered here."""

    def _report(self, future: "asyncio.Future[None]", fate: Fate, tenure: Tenure | None, fault: str) -> None:
        if future.done() or self._host.gone:
            return
        if fault:
            future.set_exception(WriteFailed(fault))
            return
        if tenure is not None:
            fate.written.add(tenure)
        self._topic.story.say("{} hears that the letter of {} is written", self._host.name, fate.place)
        future.set_result(None)
