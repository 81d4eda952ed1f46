"""One Java process on loopback: started in the background, waited for, frozen, killed, stopped."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path


class NotReadyError(Exception):
    """A service stopped, or did not become ready in time; the message ends with its log."""


class Process:
    """A process whose output goes to a file. `pid_file` lets another Python process find it again."""

    def __init__(self, name: str, folder: Path, ready: Callable[[], bool]) -> None:
        self.name = name
        self.folder = folder
        self.log = folder / f"{name}.log"
        self._pid_file = folder / f"{name}.pid"
        self._ready = ready
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The id while the process runs."""
        if self._child is not None:
            return self._child.pid if self._child.poll() is None else None
        try:
            pid = int(self._pid_file.read_text())
            # The kernel may have given the number to something else: its command line names our folder.
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if str(self.folder).encode() in line else None

    def start(self, command: Sequence[str]) -> None:
        """Start unless it runs."""
        if self.pid is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C in the terminal reaches the tests, not the broker under them.
            self._child = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._pid_file.write_text(str(self._child.pid))

    def wait(self, within_s: float = 120.0) -> None:
        """Return once it is ready. Raises: NotReadyError."""
        deadline = time.monotonic() + within_s
        while not self._ready():
            if self.pid is None:
                raise NotReadyError(f"{self.name} stopped:\n{self._tail()}")
            if time.monotonic() > deadline:
                raise NotReadyError(f"{self.name} is not ready after {within_s:.0f} s:\n{self._tail()}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._signal(signal.SIGKILL)
        self._gone(10.0)

    def pause(self) -> None:
        """Freeze it: it keeps its sockets and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def ask_to_stop(self) -> None:
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)

    def stop(self, within_s: float = 20.0) -> None:
        """Ask it to end, and insist after `within_s`."""
        self.ask_to_stop()
        if not self._gone(within_s):
            self.kill()
        self._pid_file.unlink(missing_ok=True)

    def _signal(self, number: signal.Signals) -> None:
        pid = self.pid
        if pid is not None:
            os.kill(pid, number)

    def _gone(self, within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


def port_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on, below those the kernel gives to outgoing connections.

    A node that is killed and started again must find its port free.
    """
    found: list[int] = []
    for port in random.sample(range(15_000, 32_000), 1_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise NotReadyError("no free port between 15000 and 32000")
