"""Flagship: decisions from a polled file, and queue times known only when sending. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import mmh3
import msgspec
from msgspec import UNSET, Struct, UnsetType, field
from msgspec.json import encode

from connector.domain.events import Commerce, Event, Exposure, ProductAction
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.ids import role_id
from connector.domain.outcome import Delivered, Retryable, SetupFault, Undetermined
from connector.errors import FeedFailed
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
    Renewal,
    Scene,
    Skip,
    Translation,
    Verdict,
)

QUEUE_LONGEST_MS = 4 * 3_600_000
QUEUE_TIME = b',"qt":14400000'
URLS = {"activate": "https://decision.flagship.io/v2/activate", "hits": "https://events.flagship.io/"}


class Modifications(Struct):
    value: dict[str, Any]


class Variation(Struct):
    id: str
    modifications: Modifications
    allocation: float = 0


class Rule(Struct):
    operator: str
    key: str
    value: Any


class Rules(Struct):
    targetings: list[Rule]


class Targeting(Struct):
    groups: list[Rules] = field(name="targetingGroups")


class Group(Struct):
    id: str
    targeting: Targeting
    variations: list[Variation]


class Campaign(Struct):
    groups: list[Group] = field(name="variationGroups")


class File(Struct):
    panic: bool = False
    campaigns: list[Campaign] = []


class BucketingFeed(Struct, frozen=True):
    env_id: str
    name: str = "bucketing"

    def request(self, last: Renewal | None, now_ms: int, nonce: bytes) -> HttpRequest:
        headers = {"If-Modified-Since": last.stamp} if last else {}
        return HttpRequest("GET", f"https://cdn.flagship.io/{self.env_id}/bucketing.json", headers)

    def read(self, reply: HttpResponse, last: Renewal | None, now_ms: int) -> Renewal:
        if reply.status == 304 and last:
            return Renewal(last.value, 60.0, last.stamp)
        stamp = reply.headers.get("last-modified")
        if reply.status != 200 or stamp is None:
            raise FeedFailed(f"status {reply.status}")
        try:
            return Renewal(msgspec.json.decode(reply.body, type=File), 60.0, stamp)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise FeedFailed("not a bucketing file") from exc


class Activation(Struct):
    caid: str
    vaid: str
    vid: str
    aid: str | None


class Transaction(Struct, tag_field="t", tag="TRANSACTION"):
    ds: str
    tid: str
    ta: str
    tc: str
    tr: float
    vid: str
    cuid: str | None


class Bought(Struct, tag_field="t", tag="ITEM"):
    ds: str
    tid: str
    name: str = field(name="in")
    ic: str
    iq: int
    ip: float | UnsetType = UNSET
    vid: str = ""
    cuid: str | None = None


class FlagshipSketch(Struct, frozen=True):
    env_id: str
    name: str = "flagship"
    lookups: Sequence[Lookup] = ()
    preferences: Preferences = Preferences()

    @property
    def feeds(self) -> Sequence[Feed]:
        return (BucketingFeed(self.env_id),)

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        return {name: Endpoint(name, _limits(len(self._around(name))), quota=name) for name in URLS}

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        return ()

    def translate(self, event: Event, scene: Scene) -> Translation:
        file = scene.feeds.get("bucketing")
        if not isinstance(file, File) or file.panic:
            return Hold("bucketing")
        if isinstance(event, Exposure):
            found = decide(file, event.user_id or "", event.context.traits, event.flag or "")
            if found is None:
                return Skip("not_assigned")
            group, variation = found
            return Payloads(
                (_payload("activate", event, scene, Activation(group, variation, event.user_id or "", None)),)
            )
        if isinstance(event, Commerce) and event.product_action and event.product_action.action == "purchase":
            return Payloads(tuple(_hits(event, event.product_action, scene)))
        return Skip("kind")

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest:
        bodies = b",".join(_queued(item.first, attempt.now_ms) for item in items)
        body = self._around(endpoint.name)[:-2] + bodies + b"]}"
        return HttpRequest("POST", URLS[endpoint.name], {"Content-Type": "application/json"}, body)

    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
        if reply.status < 400:
            return [Delivered()] * len(items)
        if reply.status in (401, 403):
            return SetupFault("credentials")
        if reply.status in (408, 429) or reply.status >= 500:
            return [Retryable("unavailable", limited=reply.status == 429)] * len(items)
        return [Undetermined("refused")] * len(items)

    def _around(self, endpoint: str) -> bytes:
        cid = encode(self.env_id)
        if endpoint == "activate":
            return b'{"cid":' + cid + b',"batch":[]}'
        return b'{"cid":' + cid + b',"t":"BATCH","ds":"APP","h":[]}'


def decide(file: File, visitor: str, context: Mapping[str, Any], flag: str) -> tuple[str, str] | None:
    """Return the variation group and the variation that supply a flag: the last campaign in file order wins."""
    found = None
    for campaign in file.campaigns:
        for group in campaign.groups:
            if _matches(group.targeting, context):
                variation = _allocated(group, visitor)
                if variation and flag in variation.modifications.value:
                    found = group.id, variation.id
                break
    return found


def _matches(targeting: Targeting, context: Mapping[str, Any]) -> bool:
    return any(
        rules.targetings
        and all(rule.key == "fs_all_users" or context.get(rule.key) == rule.value for rule in rules.targetings)
        for rules in targeting.groups
    )


def _allocated(group: Group, visitor: str) -> Variation | None:
    bucket = mmh3.hash((group.id + visitor).encode(), 0, signed=False) % 100
    total = 0.0
    for variation in group.variations:
        total += variation.allocation
        if total > bucket:
            return variation
    return None


def _hits(event: Commerce, bought: ProductAction, scene: Scene) -> list[Payload]:
    visitor = event.user_id or ""
    order_id = bought.order_id or ""
    affiliation, currency = bought.affiliation or "", event.currency or ""
    order = Transaction("APP", order_id, affiliation, currency, bought.total or 0, visitor, None)
    hits = [_payload("hits", event, scene, order, "transaction")]
    for number, line in enumerate(bought.products):
        item = Bought(
            ds="APP",
            tid=order_id,
            name=line.name or "",
            ic=line.sku or "",
            iq=int(line.quantity or 1),
            ip=UNSET if line.price is None else line.price,
            vid=visitor,
        )
        hits.append(_payload("hits", event, scene, item, f"item:{number}"))
    return hits


def _payload(endpoint: str, event: Event, scene: Scene, body: Struct, role: str = "") -> Payload:
    time_ms = event.timestamp_ms or scene.now_ms
    return Payload(
        endpoint,
        encode(body),
        role_id(event.message_id or scene.record_id, role),
        role=role,
        replay_safe=False,
        time_ms=time_ms,
        not_after_ms=time_ms + QUEUE_LONGEST_MS,
    )


def _queued(payload: Payload, now_ms: int) -> bytes:
    waited_ms = min(max(now_ms - (payload.time_ms or now_ms), 0), QUEUE_LONGEST_MS)
    return payload.body[:-1] + b',"qt":%d}' % waited_ms


def _limits(around: int) -> Limits:
    return Limits(
        items=100,
        request_bytes=2_500_000,
        item_bytes=2_400_000,
        request_overhead=around,
        item_overhead=len(QUEUE_TIME) + 1,
    )
