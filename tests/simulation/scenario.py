"""What one run is like, but for its course. Pure."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from connector.domain.record import Partition
from connector.pipeline.options import Options
from connector.pipeline.start import StartFrom
from connector.sinks.contract import Endpoint
from tests.simulation.sink import Shape

Theme = Literal["calm", "vendor", "letters", "crashes", "storm", "topics", "ageing", "everything"]
FaultKind = Literal[
    "down", "refusing", "hanging", "limited", "unauthorised", "slow", "registry", "letters", "commits", "coordinator"
]
AskedKind = Literal["feeds", "off", "profiles", "store"]
WindowKind = Literal[FaultKind, AskedKind]
DeedKind = Literal[
    "kill", "stop", "freeze", "evict", "leave", "clock", "commit", "abort", "retention", "grow", "remake", "swap"
]

SKIPPED = ("tombstone", "ignored", "denied", "elsewhere", "unwanted")
UNSENT = ("undecodable", "untranslatable", "missing_schema", "oversize")
POISON = ("poison", "forbidden", "big", "stubborn")


class Window(Struct, frozen=True):
    """A time in which something fails. Units: seconds; `retry_after_s` 0 for a reply that asks nothing.

    `endpoint` and `group`: only requests there, and under its credentials, are refused; None for all.
    """

    kind: WindowKind
    from_s: float
    to_s: float
    retry_after_s: float = 0.0
    endpoint: str | None = None
    group: str | None = None

    def refuses(self, endpoint: str, group: str) -> bool:
        return self.endpoint in (None, endpoint) and self.group in (None, group)


class Deed(Struct, frozen=True):
    """Something done to a process or to a topic. `whom` numbers it.

    Units: seconds; `for_s` how long it lasts, or how far a clock jumps. `commit` and `abort` are transactions by their
    end; a `remake` deletes a topic, and makes it anew once nobody can still hold it, a `swap` before anybody noticed.
    """

    kind: DeedKind
    at_s: float
    whom: int
    for_s: float = 0.0


class Vendor(Struct, frozen=True):
    """How the vendor behaves outside of windows: weights of what a request comes to, latency, quota, sizes.

    Units: requests a second; `quota` None for none. `heavy`: of latencies some are far beyond the others. `item_later`
    is how likely an item is to fail by itself, `sulky` how likely it is for one user in four.
    """

    mix: Mapping[str, float]
    latency_s: tuple[float, float]
    heavy: bool
    most_bytes: int
    item_later: float
    quota: float | None
    sulky: float = 0.0


class Fresh(Struct, frozen=True):
    """What the sink must keep fresh.

    Units: `token_s` is how long a token is good, None for a vendor without; it is renewed at `refresh_at` of that. A
    switch is asked for every `switch_s`; while it is off what was translated is held, or dropped into letters.
    """

    token_s: float | None = None
    refresh_at: float = 0.5
    switch: Literal["none", "hold", "drop"] = "none"
    switch_s: float = 2.0


class Informed(Struct, frozen=True):
    """What the sink must know of each record first.

    Units: `profile_s` is how long an answer about a user holds, None for a sink that does not ask; questions go by
    `quota`, at most `rate` a second. `store`: what it means for a record that the store does not answer.
    """

    profile_s: float | None = None
    quota: str = "questions"
    timeout_s: float = 5.0
    rate: float | None = None
    store: Literal["none", "wait", "absent"] = "none"


class Scenario(Struct, frozen=True):
    """Everything about a run but its course."""

    seed: int
    theme: Theme
    shape: Shape
    endpoints: Mapping[str, Endpoint]
    groups: tuple[str, ...]
    replay_safe: bool
    options: Options
    partitions: tuple[Partition, ...]
    replicas: int
    records: int
    keys: int
    kinds: Mapping[str, float]
    produce_s: float
    quiet_s: float
    windows: tuple[Window, ...]
    deeds: tuple[Deed, ...]
    vendor: Vendor
    fresh: Fresh
    informed: Informed
    session_s: float
    eager: bool
    start_from: StartFrom
    on_out_of_range: Literal["halt", "earliest", "latest"]
    commit_every_s: float
    largest_gap: int
    largest_poll: int

    @property
    def calm(self) -> bool:
        return self.theme == "calm"

    @property
    def strays(self) -> bool:
        """Whether partitions may come to be out of range."""
        return any(deed.kind in ("retention", "swap") for deed in self.deeds)

    @property
    def remade(self) -> bool:
        """Whether a topic is made anew, and so repeats its offsets."""
        return any(deed.kind in ("remake", "swap") for deed in self.deeds)


def needs_company(kinds: Mapping[str, float]) -> bool:
    """Whether there are records whose fault is told from the vendor's only by how others fare."""
    return "stubborn" in kinds or "forbidden" in kinds
