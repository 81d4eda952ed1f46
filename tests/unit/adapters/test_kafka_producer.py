"""What the producer makes of the client's errors; the client is a double."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from connector.adapters.kafka_producer import KafkaProducer, refusal
from connector.errors import WriteFailed
from connector.pipeline.dead_letter import Letter

LETTER = Letter("letters", b"k", b"v", ())
Report = Callable[[KafkaError | None, Message], None]


@pytest.mark.parametrize(
    ("wrong", "objection"),
    [
        ({"max.in.flight": "10"}, "`max.in.flight` must be set <= 5"),
        ({"retries": "0"}, "`retries` must be set >= 1"),
        ({"linger.ms": "40000"}, "`message.timeout.ms` must be greater than `linger.ms`"),
        ({"linger.ms": "100", "retries": "5"}, ""),
    ],
)
def test_what_the_client_would_refuse_at_the_first_letter_is_told_before_any(
    wrong: dict[str, str], objection: str
) -> None:
    """The bounds that an idempotent producer sets. Source: librdkafka, CONFIGURATION.md."""
    told = refusal({"bootstrap.servers": "127.0.0.1:9", **wrong})
    assert told.startswith(objection)
    assert bool(told) == bool(objection)


class FakeClient:
    """Reports `errors` in turn, then success; a KafkaException among them is raised by produce()."""

    def __init__(self, errors: list[KafkaError | KafkaException | None]) -> None:
        self.errors = errors
        self.queued: list[Report] = []
        self.purged = False
        self.failure: KafkaException | None = None

    def produce(self, *_args: object, on_delivery: Report, **_more: object) -> None:
        if self.errors and isinstance(self.errors[0], KafkaException):
            raise cast(KafkaException, self.errors.pop(0))
        self.queued.append(on_delivery)

    def poll(self, _timeout: float) -> int:
        if self.failure is not None:
            raise self.failure
        while self.queued:
            error = self.errors.pop(0) if self.errors else None
            self.queued.pop(0)(cast(KafkaError | None, error), cast(Message, None))
        return 0

    def purge(self, **_options: bool) -> None:
        self.purged = True


class Clients:
    """Makes a client for each list of errors."""

    def __init__(self, *errors: list[KafkaError | KafkaException | None]) -> None:
        self.made: list[FakeClient] = []
        self._errors = list(errors)

    def __call__(self, _settings: dict[str, Any]) -> Producer:
        self.made.append(FakeClient(self._errors.pop(0)))
        return cast(Producer, self.made[-1])


FATAL = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "", fatal=True)


def test_after_a_fatal_report_the_next_letter_goes_by_a_new_client() -> None:
    clients = Clients([FATAL], [])

    async def run() -> None:
        producer = KafkaProducer({}, client=clients)
        with pytest.raises(WriteFailed, match="fatal"):
            await producer.produce(LETTER)
        await producer.produce(LETTER)
        await producer.close()

    asyncio.run(run())
    assert [client.purged for client in clients.made] == [True, True]


def test_a_fatal_report_fails_every_letter_of_that_client() -> None:
    clients = Clients([FATAL], [])

    async def run() -> None:
        producer = KafkaProducer({}, client=clients)
        first, second = producer.produce(LETTER), producer.produce(LETTER)
        clients.made[0].queued.pop()
        with pytest.raises(WriteFailed, match="fatal"):
            await asyncio.wait_for(first, 5)
        with pytest.raises(WriteFailed, match="fatal"):
            await asyncio.wait_for(second, 5)
        await producer.close()

    asyncio.run(run())


def test_a_client_that_refuses_letters_for_good_is_replaced() -> None:
    clients = Clients([KafkaException(KafkaError(KafkaError._FATAL))], [])

    async def run() -> None:
        producer = KafkaProducer({}, client=clients)
        with pytest.raises(WriteFailed, match="fatal"):
            await producer.produce(LETTER)
        await producer.produce(LETTER)
        await producer.close()

    asyncio.run(run())


def test_a_client_that_cannot_be_made_now_fails_its_letter_and_is_made_for_the_next() -> None:
    """As where the machine has no thread or file left for it; raised, it would end a retry that nobody awaits."""
    made = Clients([])
    failures = [KafkaException(KafkaError(KafkaError._CRIT_SYS_RESOURCE))]

    def client(settings: dict[str, Any]) -> Producer:
        if failures:
            raise failures.pop()
        return made(settings)

    async def run() -> None:
        producer = KafkaProducer({}, client=client)
        with pytest.raises(WriteFailed, match="refused"):
            await producer.produce(LETTER)
        await producer.produce(LETTER)
        await producer.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, "too_large"),
        (KafkaError._MSG_TIMED_OUT, "timed_out"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "refused"),
        (KafkaError._UNKNOWN_TOPIC, "refused"),
    ],
)
def test_a_failed_report_is_sorted_by_what_can_be_done(code: int, kind: str) -> None:
    clients = Clients([KafkaError(code)])

    async def run() -> None:
        producer = KafkaProducer({}, client=clients)
        with pytest.raises(WriteFailed) as failed:
            await producer.produce(LETTER)
        assert failed.value.kind == kind
        await producer.produce(LETTER)
        await producer.close()

    asyncio.run(run())
    assert len(clients.made) == 1


def test_a_fatal_error_outside_of_any_report_fails_what_is_pending() -> None:
    clients = Clients([], [])

    async def run() -> None:
        producer = KafkaProducer({}, client=clients)
        pending = producer.produce(LETTER)
        clients.made[0].failure = KafkaException(FATAL)
        with pytest.raises(WriteFailed, match="fatal"):
            await asyncio.wait_for(pending, 5)
        await producer.produce(LETTER)
        await producer.close()

    asyncio.run(run())
