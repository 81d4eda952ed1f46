"""Which failures rage now."""

import asyncio

from tests.simulation.scenario import Window, WindowKind


class Weather:
    """The windows of a scenario, on the loop's time."""

    def __init__(self, windows: tuple[Window, ...], loop: asyncio.AbstractEventLoop) -> None:
        self._windows = windows
        self._loop = loop

    @property
    def now_s(self) -> float:
        return self._loop.time()

    def find(self, kind: WindowKind) -> Window | None:
        now_s = self._loop.time()
        return next((one for one in self._windows if one.kind == kind and one.from_s <= now_s < one.to_s), None)

    def has(self, kind: WindowKind) -> bool:
        return self.find(kind) is not None
