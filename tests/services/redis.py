"""A Redis on loopback, of the distribution's package `redis-server`; it keeps nothing over a stop."""

import shutil
from functools import partial
from pathlib import Path

from tests.services.jars import MissingError
from tests.services.process import Process, free_ports, port_open

STARTS_WITHIN_S = 20.0


def redis_server() -> Path:
    """Find the program. Raises: MissingError."""
    found = shutil.which("redis-server")
    if found is None:
        raise MissingError("redis-server is not installed (Debian: apt install redis-server)")
    return Path(found)


class Redis:
    """One server on a port of its own."""

    def __init__(self, folder: Path) -> None:
        (self._port,) = free_ports(1)
        self.process = Process("redis", folder, partial(port_open, self._port))
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> "Redis":
        """Start it and wait until it serves. Raises: MissingError, NotReadyError."""
        program = str(redis_server())
        keeps_nothing = ("--save", "", "--appendonly", "no", "--dir", str(self.process.folder))
        self.process.start([program, "--bind", "127.0.0.1", "--port", str(self._port), *keeps_nothing])
        self.process.wait(STARTS_WITHIN_S)
        return self

    def stop(self) -> None:
        self.process.kill()
