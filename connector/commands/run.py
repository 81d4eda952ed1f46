"""`connector run`: every enabled sink's flow, until SIGTERM."""

import asyncio
import faulthandler
import gc
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import count

import structlog

from connector import __version__
from connector.adapters.clock import SystemClock
from connector.adapters.kafka_client import topic_exists
from connector.adapters.status_server import StatusServer
from connector.app import Plan, Process, letters_topic, make_metrics, own_topics
from connector.commands.signals import on_signals
from connector.errors import ConnectorError, KafkaFailed, SchemaChanged, SettingsError
from connector.observe.metrics import Metrics
from connector.observe.status import Check, SinkStatus
from connector.pipeline.clock import Clock
from connector.pipeline.flow import Flow
from connector.pipeline.health import CHECKS

STALL_S = 10.0
BEAT_S = 1.0
LOOK_S = 5.0
LOOKS_PER_QUESTION = 6
COLLECT_AFTER = (5_000, 5, 10)

log = structlog.get_logger(__name__)


class Run:
    """The flows of a process, and what its status server tells of them; `exists` asks Kafka for a topic."""

    def __init__(
        self,
        plan: Plan,
        process: Process,
        metrics: Metrics,
        exists: Callable[[str], Awaitable[bool]] | None = None,
    ) -> None:
        self.flows: Mapping[str, Flow] = {sink.name: process.flow(sink) for sink in plan.sinks}
        self._plan = plan
        self._process = process
        self._metrics = metrics
        self._exists = partial(topic_exists, plan.settings.kafka) if exists is None else exists
        self._missing_topics: dict[str, str] = {}
        self._stopping = False

    def stop(self) -> None:
        """Have every flow drain and end."""
        if self._stopping:
            return
        self._stopping = True
        log.info("stopping: draining what is in flight")
        for flow in self.flows.values():
            flow.stop()

    def alive(self) -> bool:
        return True

    def checks(self) -> Mapping[str, Check]:
        """Name every condition of readiness and whether it holds."""
        checks = {"running": Check(not self._stopping, "stopping" if self._stopping else "")}
        for sink, flow in self.flows.items():
            trouble = flow.trouble()
            checks[f"kafka.{sink}"] = Check(not flow.kafka, flow.kafka)
            for name in CHECKS:
                checks[f"{name}.{sink}"] = Check(name not in trouble, trouble.get(name, ""))
        checks |= {name: Check(False, missing) for name, missing in self._missing_topics.items()}
        return checks

    def sinks(self) -> Sequence[SinkStatus]:
        return [flow.status() for flow in self.flows.values()]

    async def serve(self) -> None:
        """Run all flows to their end. Raises: KafkaFailed, once the others have drained."""
        background = [asyncio.create_task(self._beat()), asyncio.create_task(self._look())]
        for task in background:
            task.add_done_callback(self._unwatched)
        flows = [
            asyncio.create_task(flow.run(partial(self._process.consumer, sink))) for sink, flow in self.flows.items()
        ]
        try:
            await asyncio.wait(flows, return_when=asyncio.FIRST_EXCEPTION)
            self.stop()
            results = await asyncio.gather(*flows, return_exceptions=True)
        finally:
            for task in background:
                task.cancel()
            watched = await asyncio.gather(*background, return_exceptions=True)
            faulthandler.cancel_dump_traceback_later()
        for result in (*results, *watched):
            if isinstance(result, Exception):
                raise result

    def _unwatched(self, task: asyncio.Task[None]) -> None:
        """Stop where what watches the flows has ended by a fault: readiness and gauges would stay as they are."""
        if not task.cancelled():
            self.stop()

    async def _beat(self) -> None:
        """Notice a blocked loop: it is counted, and what blocks it is printed once by the watchdog."""
        expected_s = time.monotonic()
        while True:
            faulthandler.dump_traceback_later(STALL_S)
            late_s = time.monotonic() - expected_s
            if late_s > STALL_S:
                log.error("the event loop stood still", seconds=round(late_s, 1))
                for flow in self.flows.values():
                    flow.metrics.stalled()
            expected_s = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)

    async def _look(self) -> None:
        """Look after what nobody reports: the topics that are written to, the gauges of the process."""
        written = list[tuple[str, str]]()
        for sink in self._plan.sinks:
            written.append((f"dead_letters.{sink.name}", letters_topic(self._plan.settings.connector, sink.name)))
            written += [(f"topics.{sink.name}", topic) for topic in own_topics(sink)]
        for look in count():
            for name, topic in written:
                # Each question is a connection of its own, with a handshake that brokers count.
                if look % LOOKS_PER_QUESTION == 0 or name in self._missing_topics:
                    await self._look_for(name, topic)
            await self._confirm_schemas()
            for name, check in self.checks().items():
                self._metrics.ready(name, check.ok)
            self._metrics.connections(self._process.http.open_connections())
            self._metrics.schema_cache(len(self._process.decoder))
            await asyncio.sleep(LOOK_S)

    async def _look_for(self, check: str, topic: str) -> None:
        """Fail a check of readiness for as long as a topic that is written to is not there."""
        try:
            exists = await self._exists(topic)
        except KafkaFailed as failure:
            self._missing_topics[check] = str(failure)
            return
        if exists:
            self._missing_topics.pop(check, None)
        elif check not in self._missing_topics:
            self._missing_topics[check] = f"topic {topic} does not exist; create it"
            log.error("a topic that is written to does not exist; create it", check=check, topic=topic)

    async def _confirm_schemas(self) -> None:
        """Compare schemas that came from the disk once the registry answers; one that differs halts every flow."""
        if self._process.registry is None:
            return
        try:
            await self._process.registry.revalidate()
        except SchemaChanged as failure:
            for flow in self.flows.values():
                flow.distrust(str(failure))
            log.error("a schema kept on disk is not the registry's; nothing is delivered", error=str(failure))


async def run(plan: Plan, clock: Clock | None = None) -> int:
    """Serve until a signal asks to stop; return the exit code. `clock` where it is not the system's."""
    metrics, registry = make_metrics(plan.settings)
    clock = clock or SystemClock()
    process = Process(plan, metrics, clock)
    metrics.started(__version__, _fingerprint(plan), clock.now_ms() / 1000)
    serving = Run(plan, process, metrics)
    connector = plan.settings.connector
    server = StatusServer(connector.http_host, connector.http_port, serving, registry)
    on_signals(serving.stop)
    try:
        await server.start()
        log.info("started", version=__version__, sinks=[sink.name for sink in plan.sinks], http_port=server.port)
        for warning in plan.warnings:
            log.warning(warning)
        _calm_collector()
        await serving.serve()
    except SettingsError:
        raise
    except ConnectorError as failure:
        log.error("ended by a failure", error=str(failure))
        return 1
    finally:
        await process.close()
        await server.stop()
    log.info("stopped", version=__version__)
    return 0


def _calm_collector() -> None:
    """Leave what the start made out of every collection of cycles, and let the young grow: records make none."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _fingerprint(plan: Plan) -> str:
    """Return a hash that differs between replicas with different settings, and tells nothing of them."""
    shown = repr((sorted(plan.settings.kafka), plan.settings.registry, plan.settings.connector, plan.settings.delivery))
    return hashlib.sha256(shown.encode()).hexdigest()[:12]
