"""What the status server tells of a process. Pure."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct


class Check(Struct, frozen=True):
    """One condition of readiness; `detail` says what to do, and holds no secret and no user data."""

    ok: bool
    detail: str = ""


class SinkStatus(Struct, frozen=True):
    """One sink at this moment. `requests` are on the wire, `in_flight` the records that are open."""

    name: str
    state: str
    partitions: int
    in_flight: int
    oldest_age_s: float
    circuit: str
    requests: int
    letters_pending: int
    last_error: str = ""
    trouble: Mapping[str, str] = {}


class Status(Protocol):
    def alive(self) -> bool: ...

    def checks(self) -> Mapping[str, Check]: ...

    def sinks(self) -> Sequence[SinkStatus]: ...
