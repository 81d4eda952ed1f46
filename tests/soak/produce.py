"""A producer in a process of its own, so that its pace is nobody else's: `python -m tests.soak.produce TOPIC SECONDS`.

Writes a line for each ack: partition, offset and the number of the record.
"""

import sys

from confluent_kafka import KafkaError, Message, Producer

from tests.integration.test_mparticle_quota import paced


def main(bootstrap: str, topic: str, seconds: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5})
    for made in paced(topic, int(seconds)):

        def report(error: KafkaError | None, message: Message, number: int = made.number) -> None:
            assert error is None, error
            sys.stdout.write(f"{message.partition()} {message.offset()} {number}\n")

        producer.produce(topic, made.value, made.key, on_delivery=report)
        if producer.poll(0):
            sys.stdout.flush()
    assert producer.flush(60) == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
