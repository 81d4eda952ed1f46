"""The decision API: what a visitor gets, asked per visitor and context, and whether the environment panics. Pure.

Source: sheet section 4.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.outcome import Outcome, Retryable, SetupFault
from connector.errors import FeedFailed
from connector.sinks.contract import Answered, Endpoint, Limits, Need, Renewal
from connector.sinks.flagship.bucketing import Choice, Decision, Owner
from connector.sinks.flagship.request import sdk_headers
from connector.sinks.flagship.rules import Scalar
from connector.sinks.flagship.settings import FlagshipSettings
from connector.sinks.flagship.visitor import Visitor
from connector.sinks.status import refusal

LOOKUP = "decision"
# Whom the panic switch is asked for: no real visitor, whose answer is not used.
_NOBODY = Visitor("kafka-vendor-connector")
_MOST_BYTES = 1 << 20


class Answer(Struct, frozen=True):
    """One decision."""

    decision: Decision = Decision()
    panic: bool = False


class Switch(Struct, frozen=True):
    """Whether the environment panics."""

    panic: bool


def question(visitor: Visitor, context: Mapping[str, Scalar], *, batched: bool) -> str:
    """Return the body to ask with, which names the question too. No activation and no hit comes of asking."""
    body: dict[str, Any] = {"visitorId": visitor.id}
    if batched:
        body |= {"anonymousId": visitor.anonymous_id, "visitor_consent": True}
    body |= {"trigger_hit": False, "context": context}
    if not batched and visitor.anonymous_id is not None:
        body["anonymousId"] = visitor.anonymous_id
    return msgspec.json.encode(body).decode()


class _Asking:
    """Renders questions; holds the API key, and shows it to nobody."""

    def __init__(self, settings: FlagshipSettings) -> None:
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        self._headers = {"Content-Type": "application/json", "x-api-key": key, **sdk_headers(settings)}
        query = "exposeAllKeys=true" if settings.batched else "exposeAllKeys=true&sendContextEvent=false"
        self._url = f"{settings.decision_host}/v2/{settings.env_id}/campaigns/?{query}"

    def about(self, body: str) -> HttpRequest:
        return HttpRequest("POST", self._url, self._headers, body.encode())


class DecisionLookup:
    """A decision per question, with a quota of its own: the vendor limits questions by the second, nothing else."""

    name = LOOKUP

    def __init__(self, settings: FlagshipSettings) -> None:
        self.ttl_s = settings.decision_ttl
        self.endpoint = Endpoint(
            LOOKUP,
            Limits(items=1, request_bytes=_MOST_BYTES, item_bytes=_MOST_BYTES, linger_s=0.0),
            quota="campaigns",
            timeout_s=settings.decision_timeout_s,
            rate_per_s=settings.decision_rate_per_s,
        )
        self._asking = _Asking(settings)

    def request(self, need: Need, now_ms: int) -> HttpRequest:
        return self._asking.about(need.key)

    def read(self, need: Need, reply: HttpResponse) -> Answered | Outcome | SetupFault:
        """Read a decision; a status is about this visitor, our set-up or the moment, as for what is delivered."""
        if reply.status != 200:
            return refusal(reply.status)
        answer = _answer(reply.body)
        return Retryable("unreadable") if answer is None else Answered(answer)


class PanicFeed:
    """The panic switch, which this mode tells with every decision: asked for nobody in particular."""

    def __init__(self, settings: FlagshipSettings) -> None:
        self.name = f"panic-{settings.env_id}"
        self._every_s = settings.polling_interval
        self._halt = settings.halt
        self._asking = _Asking(settings)
        self._body = question(_NOBODY, {}, batched=settings.batched)

    def request(self, last: Renewal | None, now_ms: int, nonce: bytes) -> HttpRequest:
        return self._asking.about(self._body)

    def read(self, reply: HttpResponse, last: Renewal | None, now_ms: int) -> Renewal:
        """Read the switch. Raises: FeedFailed."""
        if reply.status != 200:
            raise FeedFailed(f"status {reply.status}")
        answer = _answer(reply.body)
        if answer is None:
            raise FeedFailed("not a decision")
        return Renewal(Switch(answer.panic), self._every_s, halt=self._halt if answer.panic else None)


def _answer(body: bytes) -> Answer | None:
    try:
        raw = msgspec.json.decode(body)
        campaigns = raw["campaigns"]
        panic = bool(raw.get("panic"))
        found = [_chosen(campaign) for campaign in campaigns]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return None
    owners: dict[str, Owner] = {}
    for _, flags in found:
        owners.update(flags)
    return Answer(Decision(tuple(choice for choice, _ in found), owners), panic)


def _chosen(campaign: Mapping[str, Any]) -> tuple[Choice, Mapping[str, Owner]]:
    variation = campaign["variation"]
    ids = (campaign["id"], campaign["variationGroupId"], variation["id"])
    if not all(isinstance(one, str) for one in ids):
        raise TypeError("an id is text")
    reference = bool(variation.get("reference", False))
    flags = variation["modifications"]["value"]
    return Choice(*ids, reference), {key: Owner(*ids, reference, value) for key, value in flags.items()}
