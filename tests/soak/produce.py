"""A producer in a process of its own, so that its pace is nobody else's:
`python -m tests.soak.produce BOOTSTRAP TOPIC SECONDS [RECORDS_A_SECOND]`.

Writes a line for each ack: partition, offset, the number of the record and when it was sent.
"""

import sys
import threading
import time
from itertools import islice

from confluent_kafka import KafkaError, Message, Producer

from tests.integration.events import mixed
from tests.integration.test_mparticle_quota import paced
from tests.soak.stream import KEYS, MOST, at_pace


def main(bootstrap: str, topic: str, seconds: str, per_s: str = "") -> None:
    if per_s:
        records = islice(mixed(MOST, keys=KEYS, name=topic), int(seconds) * int(per_s))
        source = at_pace(records, float(per_s), threading.Event(), {})
    else:
        source = paced(topic, int(seconds))
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5})
    for made in source:
        sent_s = time.monotonic()

        def report(
            error: KafkaError | None, message: Message, number: int = made.number, sent_s: float = sent_s
        ) -> None:
            assert error is None, error
            sys.stdout.write(f"{message.partition()} {message.offset()} {number} {sent_s}\n")

        producer.produce(topic, made.value, made.key, on_delivery=report)
        if producer.poll(0):
            sys.stdout.flush()
    assert producer.flush(60) == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
