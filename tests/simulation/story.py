"""What happened, in order, and what should not have: for replaying one seed by eye."""

import asyncio
from collections.abc import Callable

from msgspec import Struct


class Violation(Struct, frozen=True):
    """One broken invariant. Units: `at_s` virtual seconds."""

    rule: str
    at_s: float
    text: str


class Story:
    """Collects lines, where wanted, and violations. The first violation ends the run."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tell: Callable[[str], None] | None) -> None:
        self.violations: list[Violation] = []
        self.broken = asyncio.Event()
        self._loop = loop
        self._tell = tell

    @property
    def told(self) -> bool:
        """Whether anybody listens; what is costly to phrase is phrased only then."""
        return self._tell is not None

    def say(self, text: str, *values: object) -> None:
        """Add a line; `{}` in the text stand for the values."""
        if self._tell is not None:
            self._tell(f"{self._loop.time():10.4f}  {text.format(*values)}")

    def violated(self, rule: str, text: str) -> None:
        if self.broken.is_set():
            return
        self.violations.append(Violation(rule, self._loop.time(), text))
        self.say("VIOLATION {}: {}", rule, text)
        self.broken.set()
