"""What a flow is told once: its settings, and everything outside of it that it may use."""

import random
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from connector.pipeline.clock import Clock
from connector.pipeline.dead_letter import Producer
from connector.pipeline.decode import Decode
from connector.pipeline.deliver import Http
from connector.pipeline.feed import Shelf
from connector.pipeline.lookup import OpenStore
from connector.pipeline.topics import Registrar
from connector.sinks.contract import Sink


class RouteOptions(Struct, frozen=True):
    """Which events a sink takes.

    Shape: patterns are regular expressions matched at the start of the event's name; an empty `allow` allows all.
    `consent` names the purpose an event must carry as granted.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    consent: str | None = None


class Options(Struct, frozen=True):
    """A flow's settings; design defaults."""

    letters_topic: str
    lanes: int = 16
    budget_bytes: int = 64 << 20
    max_ahead: int = 20_000
    max_age_s: float | None = None
    drain_s: float = 10.0
    park_s: float = 600.0
    ambiguous: Literal["resend", "dead_letter"] = "resend"
    order_by: Literal["key", "user", "partition", "none"] = "key"
    guard: bool = True
    schema_grace_s: float = 60.0
    retry_first_s: float = 0.5
    retry_longest_s: float = 60.0
    retry_after_longest_s: float = 900.0
    route: RouteOptions = RouteOptions()


class Outside(Struct, frozen=True):
    """What a flow uses but does not own.

    `reload` makes the sink anew from its settings and secret files; `shelf` keeps feeds over a restart, where one is.
    `teller` writes to topics of ours, where a sink has any; letters go by `producer`, each alone.
    """

    decoder: Decode
    http: Http
    producer: Producer
    clock: Clock
    chance: random.Random
    reload: Callable[[], Sink]
    shelf: Shelf | None = None
    open_store: OpenStore | None = None
    registrar: Registrar | None = None
    teller: Producer | None = None
