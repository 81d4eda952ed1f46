"""A vendor's sink as small as the contract allows, in four shapes. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.json import encode

from connector.domain.events import Event
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.ids import role_id
from connector.domain.outcome import Delivered, Outcome, Refresh, Rejected, Retryable, SetupFault, Undetermined
from connector.errors import Untranslatable
from connector.sinks.contract import (
    Attempt,
    Endpoint,
    Feed,
    Hold,
    Item,
    Limits,
    Lookup,
    Need,
    Payload,
    Payloads,
    Preferences,
    Scene,
    Skip,
    StoredLookup,
    Translation,
    Verdict,
)
from tests.simulation.facts import PROFILE, SEEN, kept, still_needed
from tests.simulation.feeds import TOKEN, TOKEN_REFUSED

Shape = Literal["plain", "items", "two", "merged"]

ITEM_BYTES = 3000


class Happening(Event, frozen=True, kw_only=True):
    """The one kind of event: `number` names the record in the oracle, `to` the endpoints it goes to, `group` whose
    credentials it goes under."""

    name: str
    number: int
    to: tuple[str, ...]
    group: str = ""
    pad: str = ""

    @property
    def event_name(self) -> str | None:
        return self.name


class Entry(Struct, frozen=True, omit_defaults=True):
    """One payload on the wire: `profile` of its user, and the record of the user `after` which it came, where known."""

    id: str
    number: int
    role: str
    pad: str = ""
    profile: int | None = None
    after: int | None = None


class Merged(Struct, frozen=True):
    """Payloads with an equal head, as one item on the wire."""

    head: Any
    members: list[msgspec.Raw]


class SimulatedSink(Struct, frozen=True):
    """Endpoints by shape: `plain` answers whole requests, `items` each item, `two` are both of one quota or two."""

    shape: Shape
    made_of: Mapping[str, Endpoint]
    replay_safe: bool = True
    name: str = "simulated"
    feeds: Sequence[Feed] = ()
    lookups: Sequence[Lookup | StoredLookup] = ()
    preferences: Preferences = Preferences()

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        return self.made_of

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        if not isinstance(event, Happening) or event.name == "unwanted":
            return ()
        return still_needed(event.user_id or "", [lookup.name for lookup in self.lookups], scene.facts)

    def translate(self, event: Event, scene: Scene) -> Translation:
        if not isinstance(event, Happening):
            return Skip("kind")
        user = event.user_id or ""
        saves = kept(user, event.number, [lookup.name for lookup in self.lookups])
        if event.name == "unwanted":
            return Skip("kind", saves)
        for feed in self.feeds:
            if scene.feeds[feed.name] is None:
                return Hold(feed.name)
        if event.name == "untranslatable":
            raise Untranslatable("missing_field", "name")
        made = []
        for role in event.to:
            ident = role_id(scene.record_id, role if len(event.to) > 1 else "")
            body = encode(Entry(ident, event.number, role, event.pad, *_known(user, scene)))
            merge = encode({"user": event.user_id}) if self.shape == "merged" else None
            safe = self.replay_safe
            made.append(Payload(role, body, ident, event.group, role, replay_safe=safe, merge=merge))
        return Payloads(tuple(made), saves)

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        body = b"[" + b",".join(map(_rendered, items)) + b"]"
        credentials = {"authorization": items[0].first.group}
        if TOKEN in attempt.feeds:
            credentials[TOKEN] = str(attempt.feeds[TOKEN])
        return HttpRequest("POST", f"https://vendor.example/{endpoint.name}", credentials, body)

    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
        status = reply.status
        if status == 200:
            return _taken(endpoint, items, reply.body)
        if status == TOKEN_REFUSED:
            return Refresh(TOKEN, "credentials")
        if status in (401, 403):
            return SetupFault("credentials")
        if status == 429:
            return [Retryable("rate_limited", limited=True)] * len(items)
        if status == 408 or status >= 500:
            return [Retryable("server_error")] * len(items)
        return [Undetermined("refused", by_bytes=status == 413)] * len(items)


def _known(user: str, scene: Scene) -> tuple[int | None, int | None]:
    """Return the facts of a record: the profile, and the number of the record before it."""
    profile, seen = scene.facts.get(Need(PROFILE, user)), scene.facts.get(Need(SEEN, user))
    return (
        profile if isinstance(profile, int) else None,
        int(seen) if isinstance(seen, bytes) else None,
    )


def _rendered(item: Item) -> bytes:
    if item.first.merge is None:
        return item.first.body
    return encode(Merged(msgspec.Raw(item.first.merge), [msgspec.Raw(one.body) for one in item.members]))


def _taken(endpoint: Endpoint, items: Sequence[Item], body: bytes) -> Verdict:
    """Read a 200: `{"ok": true}` or, of an itemised endpoint, one word per item. Anything else tells nothing."""
    unreadable: list[Outcome] = [Retryable("unreadable", ambiguous=True)] * len(items)
    try:
        if not endpoint.itemised:
            return [Delivered()] * len(items) if msgspec.json.decode(body) == {"ok": True} else unreadable
        words = msgspec.json.decode(body, type=list[Literal["ok", "bad", "later"]])
    except msgspec.DecodeError:
        return unreadable
    if len(words) != len(items):
        return unreadable
    meant: dict[str, Outcome] = {"ok": Delivered(), "bad": Rejected("refused"), "later": Retryable("item_later")}
    return [meant[word] for word in words]


def make_endpoints(
    shape: Shape, limits: Limits, timeout_s: float, *, one_quota: bool, rate: float | None
) -> dict[str, Endpoint]:
    """Make the endpoints of a shape; names are the roles of its payloads."""
    plain = Endpoint("event", limits, "shared", timeout_s, rate)
    other = "shared" if one_quota else "own"
    itemised = Endpoint("user", limits, other, timeout_s, None, "item", itemised=True)
    if shape == "items":
        return {"user": itemised}
    if shape == "two":
        return {"event": plain, "user": itemised}
    return {"event": plain}
