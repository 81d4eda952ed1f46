"""A connector in a process of its own, as its users run it."""

import asyncio
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.integration.events import AVRO

RUN = (str(Path(sys.executable).with_name("connector")), "run")


def named(stem: str) -> str:
    """A name nobody else uses."""
    return f"{stem}-{uuid.uuid4().hex[:8]}"


async def until(condition: Callable[[], object | Awaitable[object]], within_s: float, what: str) -> None:
    """Wait for a condition, looking every 20 ms; fail by name once the time is over."""
    deadline_s = time.monotonic() + within_s
    while True:
        result = condition()
        if await result if isinstance(result, Awaitable) else result:
            return
        assert time.monotonic() < deadline_s, f"not within {within_s} s: {what}"
        await asyncio.sleep(0.02)


class Connector:
    """One replica. `env` is all of its environment but for PATH; secrets in it must not show in `log`.

    `program` is the command where it is not `connector run` alone.
    """

    def __init__(self, env: Mapping[str, str], folder: Path, program: Sequence[str] = RUN) -> None:
        self.env = {"PATH": os.environ["PATH"], "CONNECTOR_HTTP_PORT": "0", "CONNECTOR_LOG_FORMAT": "json", **env}
        self.log_file = folder / f"{named('connector')}.log"
        self.started_s = 0.0
        self._program = program
        self._process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its log lines; what is not JSON is left out."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{") and line.endswith("}")]

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> Self:
        self.started_s = time.monotonic()
        with self.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._program, env=self.env, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL
            )
        return self

    async def port(self) -> int:
        await until(lambda: self._port() or not self.running, 20, "the status server's port")
        assert self.running, self.log
        return self._port()

    def _port(self) -> int:
        return next((line["http_port"] for line in reversed(self.lines) if line.get("event") == "started"), 0)

    async def get(self, path: str) -> tuple[int, str]:
        """Fetch a page of its status server."""
        url = f"http://127.0.0.1:{await self.port()}{path}"

        def fetch() -> tuple[int, str]:
            try:
                with urlopen(url, timeout=5) as reply:
                    return reply.status, reply.read().decode()
            except HTTPError as error:
                return error.code, error.read().decode()

        return await asyncio.to_thread(fetch)

    async def ready(self) -> bool:
        return (await self.get("/readyz"))[0] == 200

    async def failing(self) -> dict[str, str]:
        """The checks of readiness that fail, with their details."""
        checks = json.loads((await self.get("/readyz"))[1])["checks"]
        return {name: check["detail"] for name, check in checks.items() if not check["ok"]}

    async def metrics(self) -> dict[str, float]:
        """Every sample by its name and labels, as the exposition writes them."""
        text = (await self.get("/metrics"))[1]
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    async def total(self, name: str, *labels: str) -> float:
        """The sum of a metric's samples that have all of these `label="value"` parts."""
        found = await self.metrics()
        return sum(v for n, v in found.items() if n.split("{")[0] == name and all(label in n for label in labels))

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def wait(self, within_s: float) -> int:
        return await asyncio.wait_for(self.process.wait(), within_s)

    async def terminate(self, within_s: float = 20.0) -> int:
        self.signal(signal.SIGTERM)
        return await self.wait(within_s)

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.wait(5)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *exc: object) -> None:
        if self.running:
            await self.kill()


def segment_env(
    bootstrap: str, vendor: str, topic: str, *, group: str, protocol: str = "classic", **more: str
) -> dict[str, str]:
    """The environment of a replica that delivers a topic to a stand-in for Segment; schemas come from avro/."""
    # By KIP-848 the broker says both of these, and the client refuses them.
    sessions = {"KAFKA_SESSION_TIMEOUT_MS": "6000", "KAFKA_HEARTBEAT_INTERVAL_MS": "300"}
    return {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        **(sessions if protocol == "classic" else {"KAFKA_GROUP_PROTOCOL": protocol}),
        "CONNECTOR_SINKS": "segment",
        "CONNECTOR_TOPICS": topic,
        "CONNECTOR_GROUP_ID": group,
        "CONNECTOR_SCHEMA_DIR": str(AVRO),
        "CONNECTOR_DEAD_LETTER_PREFIX": f"{topic}.letters",
        "CONNECTOR_MAX_IN_FLIGHT": "8",
        "SEGMENT_WRITE_KEY": "a-very-secret-write-key",
        "SEGMENT_HOST": vendor,
        "SEGMENT_BATCH_SIZE": "50",
        "SEGMENT_LINGER_S": "0.05",
        **more,
    }
