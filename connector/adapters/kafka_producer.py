"""Dead letters and other records of ours to Kafka: an idempotent producer whose reports are read on the event loop."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from connector.adapters.kafka_client import (
    Properties,
    error_kind,
    is_fatal,
    quiet_logger,
    raised_kind,
)
from connector.domain.record import Outgoing
from connector.errors import WriteFailed

_log: Any = structlog.get_logger(__name__)

MESSAGE_TIMEOUT_S = 30.0
_EVERY_S = 0.02
# A request beyond this is more than a broker reads; below it the topic's own limit decides, of what is compressed.
_MOST_BYTES = 100_000_000
_TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE, KafkaError.INVALID_MSG_SIZE)
_TIMED_OUT = (KafkaError._MSG_TIMED_OUT, KafkaError._TIMED_OUT, KafkaError._TIMED_OUT_QUEUE)
# Reports of what was still queued when a fatal error ended the client.
_ENDED = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)


def _client(settings: dict[str, Any]) -> Producer:
    return Producer(settings, logger=quiet_logger())


def _settings(properties: Properties, message_timeout_s: float, batch_bytes: int | None) -> dict[str, Any]:
    return {
        "client.id": "connector-dead-letters" if batch_bytes is None else "connector-topics",
        "compression.type": "lz4",
        "message.max.bytes": _MOST_BYTES,
        **properties,
        "acks": "all",
        "enable.idempotence": True,
        # A batch over the topic's limit fails as a whole: alone, only what is too large itself is found so.
        **({"batch.num.messages": 1} if batch_bytes is None else {"batch.size": batch_bytes, "linger.ms": 5}),
        "message.timeout.ms": round(message_timeout_s * 1000),
    }


def refusal(properties: Properties) -> str:
    """Have the client read what it would write letters with, without a connection; return what it objects to, or ""."""
    unconnected = {name: value for name, value in properties.items() if name != "bootstrap.servers"}
    try:
        _client(_settings(unconnected, MESSAGE_TIMEOUT_S, None))
    except KafkaException as exc:
        error = exc.args[0]
        return error.str().removeprefix("Failed to create producer: ") if isinstance(error, KafkaError) else "unknown"
    return ""


class KafkaProducer:
    """The `Producer` of pipeline/dead_letter.py; after a fatal error the next record goes by a new client."""

    def __init__(
        self,
        properties: Properties,
        *,
        message_timeout_s: float = MESSAGE_TIMEOUT_S,
        batch_bytes: int | None = None,
        client: Callable[[dict[str, Any]], Producer] = _client,
    ) -> None:
        self._client = client
        self._settings = _settings(properties, message_timeout_s, batch_bytes)
        self._producer: Producer | None = None
        self._spoiled = False
        self._pending: set[asyncio.Future[None]] = set()
        self._serving: asyncio.Task[None] | None = None

    def produce(self, record: Outgoing) -> "asyncio.Future[None]":
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def reported(error: KafkaError | None, _message: Message) -> None:
            self._pending.discard(future)
            if error is not None and is_fatal(error):
                self._spoiled = True
            if future.done():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(WriteFailed(_failure(error)))

        try:
            self._current().produce(
                record.topic, record.value, record.key, headers=list(record.headers), on_delivery=reported
            )
        except KafkaException as exc:
            error = exc.args[0]
            self._spoiled = self._spoiled or is_fatal(error)
            future.set_exception(WriteFailed(_failure(error)))
        except BufferError:
            future.set_exception(WriteFailed("refused"))
        else:
            self._pending.add(future)
            if self._serving is None or self._serving.done():
                self._serving = asyncio.create_task(self._serve())
        return future

    async def close(self, within_s: float = 10.0) -> None:
        """Wait for what is pending, then give up on it."""
        if self._pending:
            await asyncio.wait(self._pending, timeout=within_s)
        self._end("timed_out")
        if self._serving is not None:
            self._serving.cancel()

    async def _serve(self) -> None:
        # A poll without a wait runs the reports here, on the loop: a future needs no other thread.
        while self._pending:
            try:
                if self._producer is not None:
                    self._producer.poll(0)
            except KafkaException as exc:
                # A fatal error is not given to error_cb, but raised.
                _log.error("producer failed, a new one is made", kind=raised_kind(exc))
                self._spoiled = True
            if self._spoiled:
                self._end("fatal")
            await asyncio.sleep(_EVERY_S)

    def _current(self) -> Producer:
        if self._spoiled:
            self._end("fatal")
        if self._producer is None:
            self._producer = self._client(self._settings)
        return self._producer

    def _end(self, kind: str) -> None:
        """Let go of the client, and fail what it has not reported."""
        producer, self._producer, self._spoiled = self._producer, None, False
        if producer is not None:
            producer.purge(in_queue=True, in_flight=True, blocking=False)
        for future in self._pending:
            if not future.done():
                future.set_exception(WriteFailed(kind))
        self._pending.clear()


def _failure(error: KafkaError) -> str:
    if is_fatal(error) or error.code() in _ENDED:
        return "fatal"
    if error.code() in _TOO_LARGE:
        return "too_large"
    if error.code() in _TIMED_OUT:
        return "timed_out"
    _log.warning("record refused", kind=error_kind(error))
    return "refused"
