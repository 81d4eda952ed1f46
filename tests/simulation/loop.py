"""An event loop whose time is a number: waiting costs nothing, and processes on it can be frozen or killed."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context, ContextVar, copy_context
from typing import Any, Literal

BUSY_STEPS = 50_000
BURIAL_S = 120.0
ROUND_S = 1e-6  # what a round costs: a wait too short for a float to hold still comes to its end

_HOST: ContextVar["Host | None"] = ContextVar("host", default=None)


class Stuck(Exception):
    """Nothing is left that could ever run, or time does not advance."""


class Host:
    """A process. Callbacks and tasks started in its context run only while it is up.

    Frozen, they wait; dead, they are kept aside and never run again, until at the end of all they are buried: run to
    their end, while nothing outside listens to a process that is gone. A `fuse` counts down with each callback; at its
    end `burnt` is called before the next one runs.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: Literal["up", "frozen", "dead", "buried"] = "up"
        self.tasks: list[asyncio.Task[Any]] = []
        self.held: list[asyncio.Handle] = []
        self.thawed_s = -1.0
        self.delivered = 0
        self.fuse = 0
        self.burnt: Callable[[], None] = lambda: None
        self.context = copy_context()
        self.context.run(_HOST.set, self)

    @property
    def up(self) -> bool:
        return self.state == "up"

    @property
    def gone(self) -> bool:
        return self.state in ("dead", "buried")


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs what is due in a fixed order, then moves its time to the next timer. No sockets, no threads."""

    _ready: deque[Any]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._steps = 0
        self.set_task_factory(_noting_hosts)

    def time(self) -> float:
        return self._now_s

    def spend(self, seconds: float) -> None:
        """Let time pass as a computation does: nothing else runs meanwhile."""
        self._now_s += seconds

    def thaw(self, host: Host) -> None:
        """Let a frozen process go on with all that became due meanwhile."""
        host.state = "up"
        host.thawed_s = self._now_s
        self._ready.extend(host.held)
        host.held.clear()

    def bury(self, hosts: Iterable[Host]) -> None:
        """Run what is left of these processes to its end, without effect."""
        tasks = []
        for host in hosts:
            host.state = "buried"
            self._ready.extend(host.held)
            host.held.clear()
            tasks += [task for task in host.tasks if not task.done()]
            host.tasks.clear()
        for task in tasks:
            task.cancel()
        self._steps = 0
        if tasks:
            self.run_until_complete(asyncio.wait(tasks, timeout=BURIAL_S))

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        self._now_s += ROUND_S
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)
        if not ready and not self._stopping:
            if not scheduled:
                raise Stuck("nothing is scheduled and the end is not reached")
            if scheduled[0].when() > self._now_s:
                self._now_s = scheduled[0].when()
                self._steps = 0
        while scheduled and scheduled[0].when() <= self._now_s:
            ready.append(heapq.heappop(scheduled))
        self._steps += len(ready)
        if self._steps > BUSY_STEPS:
            raise Stuck(f"{BUSY_STEPS} callbacks without a moment passing")
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            host = handle._context.get(_HOST)
            if host is not None and host.fuse:
                host.fuse -= 1
                if not host.fuse:
                    host.burnt()
            if host is None or host.state == "up" or host.state == "buried":
                handle._run()
            else:
                host.held.append(handle)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: cancelled timers leave the heap when their time comes."""

    def _process_events(self, event_list: list[Any]) -> None:
        raise AssertionError("no sockets here")

    def _write_to_self(self) -> None:
        """Do nothing: there is no selector to wake."""


def _noting_hosts(loop: asyncio.AbstractEventLoop, coro: Any, context: Context | None = None) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, context=context)
    host = context.get(_HOST) if context is not None else _HOST.get()
    if host is not None:
        host.tasks.append(task)
    return task


def current_host() -> Host | None:
    """Return the process that runs now, None for the world around them."""
    return _HOST.get()


WORLD = copy_context()
