"""Stage 5 for topics of ours: payloads into records that the broker has, one outcome each."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from connector.domain.outcome import Delivered, Outcome, Rejected, Retryable, SetupFault
from connector.domain.record import Outgoing
from connector.errors import SchemaRefused, SchemaUnavailable, WriteFailed
from connector.pipeline.dead_letter import Producer
from connector.pipeline.framing import confluent_head
from connector.sinks.contract import Payload, Topic

log = structlog.get_logger(__name__)


class Registrar(Protocol):
    async def register(self, subject: str, schema: str) -> int:
        """Return the id of a schema, registered if need be. Raises: SchemaUnavailable, SchemaRefused."""
        ...


class TopicWriter:
    """Writes records behind the id of their schema; `failing` says by topic why the last attempt failed."""

    def __init__(self, producer: Producer, registrar: Registrar | None) -> None:
        self.failing: dict[str, str] = {}
        self._producer = producer
        self._registrar = registrar
        self._heads: dict[str, bytes] = {}

    async def prepare(self, topic: Topic) -> bool:
        """Register the schema of a topic, once; False where that failed."""
        try:
            await self._head(topic)
        except (SchemaUnavailable, SchemaRefused):
            return False
        return True

    async def write(self, topic: Topic, payloads: Sequence[Payload]) -> Sequence[Outcome] | SetupFault:
        """Write payloads in their order, and wait until the broker has each of them or has refused it."""
        try:
            head = await self._head(topic)
        except SchemaUnavailable:
            return [Retryable("registry")] * len(payloads)
        except SchemaRefused as refusal:
            return SetupFault("schema", str(refusal))
        made = [self._producer.produce(Outgoing(topic.name, one.key, head + one.body)) for one in payloads]
        failures = await asyncio.gather(*made, return_exceptions=True)
        kinds = [failure.kind for failure in failures if isinstance(failure, WriteFailed)]
        if kinds:
            self.failing[topic.name] = kinds[0]
        else:
            self.failing.pop(topic.name, None)
        return [_outcome(failure) for failure in failures]

    async def _head(self, topic: Topic) -> bytes:
        head = self._heads.get(topic.name)
        if head is None:
            if self._registrar is None:
                raise SchemaRefused("no schema registry is configured")
            try:
                head = confluent_head(await self._registrar.register(topic.subject, topic.schema))
            except (SchemaUnavailable, SchemaRefused) as failure:
                if self.failing.get(topic.name) != str(failure):
                    log.error("the schema of a topic is not registered", topic=topic.name, reason=str(failure))
                self.failing[topic.name] = str(failure)
                raise
            self._heads[topic.name] = head
            self.failing.pop(topic.name, None)
        return head


def _outcome(failure: BaseException | None) -> Outcome:
    """What became of one record: only its size is its own fault, all else is waited for as long as it lasts."""
    if failure is None:
        return Delivered()
    if not isinstance(failure, WriteFailed):
        raise failure
    if failure.kind == "too_large":
        return Rejected("too_large", "topic")
    return Retryable("topic", ambiguous=failure.kind == "timed_out")
