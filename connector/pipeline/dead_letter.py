"""Records that cannot be delivered into letters, and the letters to the dead-letter topic."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

import structlog

from connector import __version__
from connector.domain.record import Outgoing
from connector.errors import Undecodable, WriteFailed
from connector.observe.metrics import FlowMetrics
from connector.pipeline.acknowledge import OpenRecord
from connector.pipeline.backoff import delay_s
from connector.pipeline.clock import Clock
from connector.pipeline.framing import frame
from connector.pipeline.guard import Guard

HEADER = "connector."
RETRY_FIRST_S = 0.2
RETRY_LONGEST_S = 10.0
# A letter takes several times what its record is charged, so that they are made as the producer takes them.
MOST_PRODUCED = 1000

log = structlog.get_logger(__name__)


class Letter(Outgoing, frozen=True):
    """A record for the dead-letter topic."""


class Producer(Protocol):
    def produce(self, record: Outgoing) -> "asyncio.Future[None]":
        """Send; the future is done at the broker's ack, or fails with WriteFailed. Never blocks."""
        ...

    async def close(self) -> None: ...


def write(opened: OpenRecord, *, topic: str, sink: str, record_id: str) -> Letter:
    """Make the letter of a record: its own key, value and headers, and what became of it.

    Shape: one letter per record. Reason and detail are those of the first failure; roles name all that failed, and
    are empty where the record failed as a whole.
    """
    record = opened.record
    at = record.origin or record
    first = opened.failures[0]
    notes = {
        "sink": sink,
        "reason": first.verdict.reason,
        "detail": first.verdict.detail,
        "topic": at.partition.topic,
        "partition": str(at.partition.number),
        "offset": str(at.offset),
        "timestamp": str(at.timestamp_ms),
        "id": record_id,
        "schema_id": _schema_id(record.value),
        "roles": ",".join(sorted({failure.role for failure in opened.failures if failure.role})),
        "attempts": str(max(failure.attempts for failure in opened.failures)),
        "status": str(first.status or ""),
        "first_failure": str(first.first_failure_ms or ""),
        "replays": str(record.origin.replays if record.origin else 0),
        "version": __version__,
    }
    headers = tuple((HEADER + name, text.encode()) for name, text in notes.items())
    return Letter(topic, record.key, record.value, record.headers + headers)


def smaller(letter: Letter) -> Letter | None:
    """Trim a letter that the broker finds too large: first the record's own headers, then its value.

    The position in our headers still says where the record is; None where nothing is left to trim.
    """
    ours = tuple(header for header in letter.headers if header[0].startswith(HEADER))
    if len(ours) < len(letter.headers):
        return Letter(letter.topic, letter.key, letter.value, (*ours, (HEADER + "trimmed", b"headers")))
    if letter.value is not None:
        return Letter(letter.topic, letter.key, None, (*ours, (HEADER + "trimmed", b"value")))
    return None


def _schema_id(value: bytes | None) -> str:
    try:
        schema = frame(value or b"").schema
    except Undecodable:
        return ""
    return str(schema) if isinstance(schema, int) else schema.hex()


class Letters:
    """Writes letters until the broker has them. Never gives one up.

    `pending` are on their way or waiting to be; `held` were refused by the guard and stay open. `write` makes the
    letter of a record.
    """

    def __init__(
        self,
        producer: Producer,
        guard: Guard,
        clock: Clock,
        chance: random.Random,
        metrics: FlowMetrics,
        write: Callable[[OpenRecord], Letter],
        on_written: Callable[[OpenRecord], None],
    ) -> None:
        self.pending = 0
        self.held = 0
        self.guard = guard
        self.failing = ""
        self._producer = producer
        self._clock = clock
        self._chance = chance
        self._metrics = metrics
        self._write = write
        self._on_written = on_written
        self._waiting: deque[OpenRecord] = deque()
        self._produced = 0

    def send(self, opened: OpenRecord) -> None:
        """Write the letter of a record, if the guard admits it."""
        reason = opened.failures[0].verdict.reason
        was_tripped = self.guard.tripped
        if not self.guard.admits(reason):
            self.held += 1
            if not was_tripped:
                self._metrics.guard(True)
                log.error(
                    "dead-letter guard tripped: the sink refuses most records; nothing more is sent",
                    letters_topic=self._write(opened).topic,
                    reason=reason,
                    fix="mend the events or the settings and restart, or set CONNECTOR_GUARD=off",
                )
            return
        self.pending += 1
        holding = opened.holding
        holding.highest_sent = max(holding.highest_sent, opened.record.offset)
        self._waiting.append(opened)
        self._go_on()

    def _go_on(self) -> None:
        """Produce what waits, as far as there is room."""
        while self._waiting and self._produced < MOST_PRODUCED:
            opened = self._waiting.popleft()
            if opened.holding.live:
                self._produced += 1
                self._produce(opened, self._write(opened), 0, self._clock.monotonic_s())
            else:
                self.pending -= 1

    def _ended(self) -> None:
        self.pending -= 1
        self._produced -= 1
        self._go_on()

    def _produce(self, opened: OpenRecord, letter: Letter, failures: int, began_s: float) -> None:
        if not opened.holding.live:
            self._ended()
            return
        future = self._producer.produce(letter)
        future.add_done_callback(partial(self._reported, opened, letter, failures, began_s))

    def _reported(
        self, opened: OpenRecord, letter: Letter, failures: int, began_s: float, future: "asyncio.Future[None]"
    ) -> None:
        if future.cancelled():
            self._ended()
            return
        failure = future.exception()
        reason, took_s = opened.failures[0].verdict.reason, self._clock.monotonic_s() - began_s
        if failure is None:
            self.failing = ""
            self._metrics.letter(reason, "written", took_s)
            self._on_written(opened)
            self._ended()
            return
        self._metrics.letter(reason, "failed", took_s)
        kind = failure.kind if isinstance(failure, WriteFailed) else "refused"
        self.failing = kind
        trimmed = smaller(letter) if kind == "too_large" else None
        at = opened.record
        log.warning(
            "dead letter not written, trying again",
            kind=kind,
            letters_topic=letter.topic,
            topic=at.partition.topic,
            partition=at.partition.number,
            offset=at.offset,
            trimmed=trimmed is not None,
        )
        wait_s = (
            0.0 if trimmed else delay_s(failures + 1, self._chance, first_s=RETRY_FIRST_S, longest_s=RETRY_LONGEST_S)
        )
        loop = asyncio.get_running_loop()
        loop.call_later(wait_s, self._produce, opened, trimmed or letter, failures + 1, began_s)
