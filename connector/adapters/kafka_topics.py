"""Asks the broker which log a topic has: by its id one that was made anew is told from the one of that name before it.

The answers are read as they come, on the consumer's thread, so that no poll waits for them; only `ask` does.
"""

import time
from collections.abc import Collection
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from connector.adapters.kafka_client import Properties, quiet_logger, refused_settings

_EVERY_S = 5.0
_CALL_S = 5.0
# Of a broker that gives topics no ids, or of one too old for the question.
_NO_ID = ("", "AAAAAAAAAAAAAAAAAAAAAA")
_NEVER = (KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION)


class TopicIds:
    """The ids of topics as they were told last. A broker without ids is asked again and has none."""

    def __init__(self, properties: Properties) -> None:
        own = {name: value for name, value in properties.items() if not name.startswith("group.")}
        self._settings: dict[str, Any] = {"client.id": "connector-look", **own}
        self._client: AdminClient | None = None
        self._ids: dict[str, str] = {}
        self._asked: dict[str, Future[Any]] = {}
        self._answered = False
        self._next_s = 0.0

    def known(self, topic: str) -> str:
        """Return the id as it was told last, "" where none was."""
        self._read()
        return self._ids.get(topic, "")

    def look(self, topics: Collection[str]) -> bool:
        """Ask anew now and then; whether anything was answered since the last look. Raises: KafkaFailed."""
        self._read()
        answered, self._answered = self._answered, False
        now_s = time.monotonic()
        if topics and not self._asked and now_s >= self._next_s:
            self._next_s = now_s + _EVERY_S
            self._asked = self._describe(topics, _CALL_S)
        return answered

    def ask(self, topic: str, within_s: float) -> str:
        """Wait for the id, "" where the broker gives none. Raises: KafkaException, KafkaFailed."""
        try:
            self._ids[topic] = _told(self._describe([topic], within_s)[topic], within_s)
        except NotInTime:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None
        return self._ids[topic]

    def close(self) -> None:
        self._asked.clear()
        self._client = None

    def _read(self) -> None:
        answered = [topic for topic, future in self._asked.items() if future.done()]
        for topic in answered:
            try:
                self._ids[topic] = _told(self._asked.pop(topic))
            except KafkaException:
                # One that is not there, or of which nothing was told, has the id it had.
                continue
        self._answered = self._answered or bool(answered)

    def _describe(self, topics: Collection[str], within_s: float) -> dict[str, Future[Any]]:
        if self._client is None:
            try:
                self._client = AdminClient(self._settings, logger=quiet_logger())
            except KafkaException as exc:
                raise refused_settings(exc) from exc
        return dict(self._client.describe_topics(TopicCollection(list(topics)), request_timeout=within_s))


def _told(answer: "Future[Any]", within_s: float = 0.0) -> str:
    try:
        told = str(answer.result(within_s).topic_id)
    except KafkaException as exc:
        if exc.args[0].code() in _NEVER:
            return ""
        raise
    return "" if told in _NO_ID else told
