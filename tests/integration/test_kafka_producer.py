"""The dead-letter producer against a real broker and a mock cluster."""

import asyncio
import random

import pytest
from confluent_kafka import Consumer, TopicPartition

from connector.adapters.kafka_client import look_at, topic_exists
from connector.adapters.kafka_producer import KafkaProducer
from connector.errors import KafkaFailed, WriteFailed
from connector.pipeline.dead_letter import Letter
from tests.doubles.kafka import MockCluster
from tests.integration.members import fresh
from tests.services.kafka import Kafka

pytestmark = pytest.mark.slow

HEADERS = (("sink", b"segment"), ("source", b"\x00\xff"), ("source", None))


def read_all(bootstrap: str, topic: str, count: int) -> list[tuple[bytes | None, bytes | None, object]]:
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader"})
    reader.assign([TopicPartition(topic, 0, 0)])
    try:
        return [(one.key(), one.value(), one.headers()) for one in reader.consume(count, 15)]
    finally:
        reader.close()


def test_an_acknowledged_letter_is_in_its_topic_byte_for_byte(kafka_cluster: Kafka) -> None:
    topic = kafka_cluster.create_topic(fresh("letters"))

    async def run() -> None:
        producer = KafkaProducer({"bootstrap.servers": kafka_cluster.bootstrap})
        await producer.produce(Letter(topic, b"k", b"\x00v", HEADERS))
        await producer.produce(Letter(topic, None, None, ()))
        await producer.close()

    asyncio.run(run())
    assert read_all(kafka_cluster.bootstrap, topic, 2) == [(b"k", b"\x00v", list(HEADERS)), (None, None, None)]


def test_letters_arrive_in_the_order_they_were_given(kafka_cluster: Kafka) -> None:
    topic = kafka_cluster.create_topic(fresh("letters"))
    values = [str(number).encode() for number in range(500)]

    async def run() -> None:
        producer = KafkaProducer({"bootstrap.servers": kafka_cluster.bootstrap})
        await asyncio.gather(*[producer.produce(Letter(topic, None, value, ())) for value in values])
        await producer.close()

    asyncio.run(run())
    assert [value for _, value, _ in read_all(kafka_cluster.bootstrap, topic, 500)] == values


@pytest.mark.shows("Q3")
def test_a_letter_that_its_topic_takes_goes_there_whole_however_large(kafka_cluster: Kafka) -> None:
    # By default a client stops at 1,000,000 bytes, and a topic takes 1,048,588 of what is compressed.
    sizes = [(random.Random(1).randbytes(1_040_000), "dense"), (bytes(5_000_000), "sparse")]
    topic = kafka_cluster.create_topic(fresh("letters"))

    async def run() -> None:
        producer = KafkaProducer({"bootstrap.servers": kafka_cluster.bootstrap})
        for value, key in sizes:
            await producer.produce(Letter(topic, key.encode(), value, HEADERS))
        await producer.close()

    asyncio.run(run())
    assert read_all(kafka_cluster.bootstrap, topic, 2) == [(key.encode(), one, list(HEADERS)) for one, key in sizes]


def failure(bootstrap: str, letter: Letter, properties: dict[str, str | int]) -> str:
    """Produce a letter that fails, and return the kind of the failure."""

    async def run() -> str:
        producer = KafkaProducer({"bootstrap.servers": bootstrap, **properties}, message_timeout_s=4.0)
        with pytest.raises(WriteFailed) as failed:
            await asyncio.wait_for(producer.produce(letter), 20)
        await producer.close()
        return failed.value.kind

    return asyncio.run(run())


def test_a_letter_over_the_clients_limit_is_too_large(kafka_cluster: Kafka) -> None:
    topic = kafka_cluster.create_topic(fresh("letters"))
    letter = Letter(topic, None, bytes(2000), ())
    assert failure(kafka_cluster.bootstrap, letter, {"message.max.bytes": 1000}) == "too_large"


def test_a_letter_over_the_topics_limit_is_too_large(kafka_cluster: Kafka) -> None:
    topic = kafka_cluster.create_topic(fresh("letters"), config={"max.message.bytes": "1000"})
    letter = Letter(topic, None, bytes(2000), ())
    assert failure(kafka_cluster.bootstrap, letter, {"compression.type": "none"}) == "too_large"


def test_a_letter_to_a_topic_that_is_not_there_fails_and_the_next_one_does_not(kafka_cluster: Kafka) -> None:
    missing, topic = fresh("missing"), kafka_cluster.create_topic(fresh("letters"))

    async def run() -> None:
        producer = KafkaProducer({"bootstrap.servers": kafka_cluster.bootstrap}, message_timeout_s=4.0)
        with pytest.raises(WriteFailed) as failed:
            await asyncio.wait_for(producer.produce(Letter(missing, None, b"v", ())), 20)
        assert failed.value.kind in ("timed_out", "refused")
        await asyncio.wait_for(producer.produce(Letter(topic, None, b"v", ())), 20)
        await producer.close()

    asyncio.run(run())


def test_a_letter_times_out_while_the_broker_is_away() -> None:
    assert failure("127.0.0.1:1", Letter("letters", None, b"v", ()), {}) == "timed_out"


def test_a_full_queue_refuses_at_once(kafka_cluster: Kafka) -> None:
    topic = kafka_cluster.create_topic(fresh("letters"))

    async def run() -> None:
        limits = {"queue.buffering.max.messages": 2, "linger.ms": 200}
        producer = KafkaProducer({"bootstrap.servers": kafka_cluster.bootstrap, **limits})
        futures = [producer.produce(Letter(topic, None, b"v", ())) for _ in range(3)]
        with pytest.raises(WriteFailed, match="refused"):
            await futures[2]
        await asyncio.gather(*futures[:2])
        await producer.close()

    asyncio.run(run())


def test_closing_does_not_wait_for_ever_for_a_broker_that_is_away() -> None:
    async def run() -> None:
        producer = KafkaProducer({"bootstrap.servers": "127.0.0.1:1"})
        future = producer.produce(Letter("letters", None, b"v", ()))
        await asyncio.wait_for(producer.close(within_s=0.2), 5)
        with pytest.raises(WriteFailed, match="timed_out"):
            await future

    asyncio.run(run())


def test_the_loop_goes_on_while_letters_are_pending() -> None:
    async def run() -> None:
        producer = KafkaProducer({"bootstrap.servers": "127.0.0.1:1"})
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        futures = [producer.produce(Letter("letters", None, b"v", ())) for _ in range(100)]
        assert loop.time() - started_s < 0.5
        await producer.close(within_s=0.1)
        await asyncio.wait(futures)
        assert all(isinstance(future.exception(), WriteFailed) for future in futures)

    asyncio.run(run())


def test_a_topic_is_looked_for_without_making_it(kafka_cluster: Kafka) -> None:
    topic, missing = kafka_cluster.create_topic(fresh("there"), 3), fresh("missing")
    properties = {"bootstrap.servers": kafka_cluster.bootstrap}

    async def run() -> None:
        assert await topic_exists(properties, topic)
        assert (await look_at(properties, topic)).partitions == 3
        assert not await topic_exists(properties, missing)
        assert not await topic_exists(properties, missing)

    asyncio.run(run())


def test_a_kafka_that_does_not_answer_is_not_a_missing_topic() -> None:
    async def run() -> None:
        with pytest.raises(KafkaFailed, match="_transport"):
            await topic_exists({"bootstrap.servers": "127.0.0.1:1"}, "letters", timeout_s=0.5)

    asyncio.run(run())


def test_letters_reach_the_mock_cluster(mock: MockCluster) -> None:
    topic = mock.create_topic(fresh("letters"))

    async def run() -> None:
        producer = KafkaProducer({"bootstrap.servers": mock.bootstrap})
        await producer.produce(Letter(topic, b"k", b"v", HEADERS))
        await producer.close()

    asyncio.run(run())
