"""All that the pipeline knows of a vendor. Pure: no clock, chance or socket.

A sink is a value: `translate` makes payloads of an event, `request` renders a batch for one attempt, `read` turns the
reply into one outcome per item. Whatever is not in the event comes in by `Scene` and `Attempt`.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

from connector.domain.events import Event
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.outcome import Outcome, Refresh, SetupFault


class Payload(Struct, frozen=True, gc=False):
    """One translated item, encoded once.

    Shape: `body` without what only the moment of sending knows.
    `group`  equal groups may share a request: a key pair, a tenant; a name, never a secret.
    `role`   names this delivery among those of its record, by meaning; in ids, letters and replay.
    `time_ms`       the event's own time, for vendors that want a queue time.
    `not_after_ms`  later than this it is a dead letter `too_old`.
    `merge`  the head under which consecutive payloads with an equal head travel as one item.
    `key`    of the record it becomes, where its endpoint is a topic.
    """

    endpoint: str
    body: bytes
    id: str
    group: str = ""
    role: str = ""
    replay_safe: bool = True
    time_ms: int | None = None
    not_after_ms: int | None = None
    merge: bytes | None = None
    key: bytes | None = None


class Item(Struct, frozen=True, gc=False):
    """One element of a request: a payload, or several with an equal `merge` head, in order."""

    members: tuple[Payload, ...]

    @property
    def first(self) -> Payload:
        return self.members[0]


class Limits(Struct, frozen=True):
    """What one request to an endpoint may hold.

    Units: bytes of what is sent. `request_overhead` is the envelope, `item_overhead` what each item adds to its
    members' bodies and head (a separator, a field spliced in at sending), `member_overhead` the same for each member.
    `item_bytes` bounds one item without its overhead; `linger_s` is how long a batch waits to fill.
    """

    items: int
    request_bytes: int
    item_bytes: int
    linger_s: float = 0.2
    members: int = 1
    request_overhead: int = 2
    item_overhead: int = 1
    member_overhead: int = 0


class Topic(Struct, frozen=True):
    """A Kafka topic of ours: Avro data of one schema behind its id in the registry, the schema under `<name>-value`."""

    name: str
    schema: str

    @property
    def subject(self) -> str:
        return f"{self.name}-value"


class Endpoint(Struct, frozen=True):
    """One vendor URL with its own limits, or a topic of ours for what others should know.

    `quota`  endpoints of one quota share its permits, pace, circuit and Retry-After.
    `cost`   what `rate_per_s` counts.
    `itemised`  replies judge each item alone. Then a request holds one record of a key, so that a failed item cannot
    be overtaken by the next of its key within the same request.
    `topic`  payloads are written there as records, and delivered once the broker has them; no request is rendered.
    """

    name: str
    limits: Limits
    quota: str = "default"
    timeout_s: float = 15.0
    rate_per_s: float | None = None
    cost: Literal["request", "item"] = "request"
    itemised: bool = False
    topic: Topic | None = None


class Need(Struct, frozen=True):
    """One thing a translation must know first: a lookup's name and the key to ask it for."""

    lookup: str
    key: str


class Save(Struct, frozen=True):
    """What a translation found out and a later one may need: stored by the lookup, in lane order; None forgets."""

    lookup: str
    key: str
    value: bytes | None


class Scene(Struct, frozen=True, gc=False):
    """All that is not in the event.

    Shape: `feeds` by feed name, `facts` by need; a fact is None where the lookup may be absent and was.
    """

    now_ms: int
    record_id: str
    feeds: Mapping[str, object] = {}
    facts: Mapping[Need, object] = {}


class Attempt(Struct, frozen=True):
    """The moment of sending: its number from 1, the wall clock, 16 random bytes and the feeds."""

    number: int
    now_ms: int
    nonce: bytes = b""
    feeds: Mapping[str, object] = {}


class Payloads(Struct, frozen=True, gc=False):
    """The translation of an event: all of it or nothing."""

    payloads: tuple[Payload, ...]
    saves: tuple[Save, ...] = ()


class Skip(Struct, frozen=True):
    """This sink sends nothing for the event, but may have learned of it: final and counted by reason."""

    reason: str
    saves: tuple[Save, ...] = ()


class Hold(Struct, frozen=True):
    """Not now: ask again when the named feed has changed."""

    feed: str


Translation = Payloads | Skip | Hold
Verdict = Sequence[Outcome] | SetupFault | Refresh


class Halt(Struct, frozen=True):
    """Nothing is sent: what was translated already waits (`hold`), or becomes a dead letter for this reason."""

    reason: str
    hold: bool


class Renewal(Struct, frozen=True):
    """A feed's new value and when to ask again.

    `stamp` is what the next request must know: the vendor's own version of it, such as Last-Modified, or its clock.
    `keep`: the reply it was read from is kept on disk, for a start while the vendor cannot be reached.
    `halt`: for as long as this is the feed's value.
    """

    value: object
    refresh_s: float
    stamp: str = ""
    keep: bool = False
    halt: Halt | None = None


class Feed(Protocol):
    """Something polled or renewed for the whole sink: a file, a token. Kept on its last good value."""

    @property
    def name(self) -> str: ...

    def request(self, last: Renewal | None, now_ms: int, nonce: bytes) -> HttpRequest:
        """Render the request for the next value."""
        ...

    def read(self, reply: HttpResponse, last: Renewal | None, now_ms: int) -> Renewal:
        """Read the reply. Raises: FeedFailed, and the last value stands, under the failure's stamp if it has one."""
        ...


class Answered(Struct, frozen=True):
    """A reply that holds the fact."""

    fact: object


class Lookup(Protocol):
    """Something asked of the vendor per record; a fact is kept for `ttl_s`.

    A question goes the way of a delivery, alone in its request: within the quota, pace and time of `endpoint`, tried
    again, parked with its key, and given up as a dead letter by the same rules.
    """

    @property
    def name(self) -> str: ...
    @property
    def endpoint(self) -> Endpoint: ...
    @property
    def ttl_s(self) -> float: ...

    def request(self, need: Need, now_ms: int) -> HttpRequest:
        """Render the question."""
        ...

    def read(self, need: Need, reply: HttpResponse) -> Answered | Outcome | SetupFault:
        """Read the fact, or why there is none. No reply makes it raise."""
        ...


class StoredLookup:
    """A lookup answered by values saved before, in a store that outlives the process; a fact is bytes or None.

    `address` names the store and may hold a password, so nothing shows it.
    """

    def __init__(self, name: str, address: str, on_failure: Literal["wait", "absent"]) -> None:
        self.name = name
        self.address = address
        self.on_failure = on_failure


class Preferences(Struct, frozen=True):
    """Delivery defaults that this vendor's nature asks for; settings override them.

    Units: `max_age_s` None for no limit; `start_from` as CONNECTOR_START_FROM takes it.
    `warnings`  what its own settings allow and hardly anybody means, said once at the start.
    """

    start_from: str = "earliest"
    max_age_s: float | None = None
    warnings: tuple[str, ...] = ()


@runtime_checkable
class Probed(Protocol):
    """A sink whose vendor has a question that tries our credentials and does nothing else; None where it is not ours.

    Its value is of no account: that it is renewed says that the credentials are taken.
    """

    @property
    def probe(self) -> Feed | None: ...


class Sink(Protocol):
    """One vendor; it may be `Probed`, too."""

    @property
    def name(self) -> str: ...
    @property
    def endpoints(self) -> Mapping[str, Endpoint]: ...
    @property
    def feeds(self) -> Sequence[Feed]: ...
    @property
    def lookups(self) -> Sequence[Lookup | StoredLookup]: ...
    @property
    def preferences(self) -> Preferences: ...

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        """Name what `translate` must know from outside; () for most events.

        Asked again with the facts that were found, until it names nothing new: one need may follow from another.
        """
        ...

    def translate(self, event: Event, scene: Scene) -> Translation:
        """Make the payloads of one event. Raises: Untranslatable."""
        ...

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        """Render one attempt; the items' own bytes are the same on every attempt."""
        ...

    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
        """Turn the reply into one outcome per item, or one verdict on the whole. No reply makes it raise."""
        ...
