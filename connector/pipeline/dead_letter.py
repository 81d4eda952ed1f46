"""Rejected deliveries of a record into one letter."""

import asyncio
from typing import Protocol

from msgspec import Struct

from connector.domain.record import Headers
from connector.errors import ConnectorError


class Letter(Struct, frozen=True):
    """A record for the dead-letter topic."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


class LetterFailed(ConnectorError):
    """The broker did not take the letter; `kind` is too_large, timed_out, fatal or refused."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(f"dead letter not written: {kind}")


class Producer(Protocol):
    def produce(self, letter: Letter) -> "asyncio.Future[None]":
        """Send; the future is done at the broker's ack, or fails with LetterFailed. Never blocks."""
        ...

    async def close(self) -> None: ...
