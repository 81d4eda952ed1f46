"""Stage 5, deliver: one attempt of a batch, one verdict on it."""

import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Protocol

from msgspec import Struct

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.outcome import Delivered, Outcome, Rejected, Retryable, SetupFault, Undetermined
from connector.errors import Ambiguous, NotSent, SetupFailed
from connector.pipeline.batch import Batch
from connector.pipeline.clock import Clock
from connector.pipeline.retry_after import retry_after_s
from connector.pipeline.topics import TopicWriter
from connector.sinks.contract import Attempt, Endpoint, Item, Topic, Verdict

NONCE_BYTES = 16


class Http(Protocol):
    async def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        """Send once, within the total time. Raises: NotSent, Ambiguous, SetupFailed."""
        ...


class Exchange(Protocol):
    """Who renders a request and reads its reply: a sink, or a question to its vendor."""

    def request(self, endpoint: Endpoint, items: Sequence[Item], attempt: Attempt) -> HttpRequest: ...
    def read(self, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict: ...


class Attempted(Struct, frozen=True, dict=True):
    """What one request came to.

    Units: bytes, seconds. `status` 0 where no reply came, then `error` names the kind; `retry_after_s` as the reply
    asked by the standard header.
    """

    verdict: Verdict
    status: int
    error: str
    request_bytes: int
    took_s: float
    retry_after_s: float | None = None

    @cached_property
    def kinds(self) -> frozenset[type[Outcome]]:
        """The kinds of outcome among the items'; none where the verdict is on the request as a whole."""
        verdict = self.verdict
        return frozenset(map(type, verdict)) if isinstance(verdict, list | tuple) else frozenset()

    @property
    def outcome(self) -> str:
        """The attempt as one word: ok, retry, reject, setup or ambiguous."""
        verdict, kinds = self.verdict, self.kinds
        if isinstance(verdict, SetupFault):
            return "setup"
        if not isinstance(verdict, list | tuple):
            return "retry"
        if Retryable in kinds:
            retried = [one for one in verdict if isinstance(one, Retryable)]
            return "ambiguous" if retried[0].ambiguous else "retry"
        return "reject" if Rejected in kinds or Undetermined in kinds else "ok"

    @property
    def all_delivered(self) -> bool:
        return self.kinds == {Delivered}


class Sender:
    """Renders, sends and reads one batch."""

    def __init__(
        self,
        http: Http,
        clock: Clock,
        chance: random.Random,
        retry_after_longest_s: float,
        topics: TopicWriter | None = None,
    ) -> None:
        self._topics = topics
        self._http = http
        self._clock = clock
        self._chance = chance
        self._longest_s = retry_after_longest_s

    async def attempt(self, sink: Exchange, batch: Batch, feeds: Mapping[str, object]) -> Attempted:
        """Make one attempt. Whatever happens on the wire comes back as a verdict."""
        items, endpoint = batch.items(), batch.endpoint
        began_s = self._clock.monotonic_s()
        if endpoint.topic is not None:
            return await self._written(endpoint.topic, items)
        attempt = Attempt(batch.sends, self._clock.now_ms(), self._chance.randbytes(NONCE_BYTES), feeds)
        try:
            request = sink.request(endpoint, items, attempt)
        except Exception as fault:  # noqa: BLE001  a sink's own defect is met like a refusal of the content
            return Attempted([Undetermined("sink_fault")] * len(items), 0, type(fault).__name__, 0, 0.0)
        status, error, asked_s = 0, "", None
        try:
            reply = await self._http.send(request, timeout_s=endpoint.timeout_s)
        except NotSent as failure:
            error = failure.kind
            verdict: Verdict = [Retryable(error)] * len(items)
        except Ambiguous as failure:
            error = failure.kind
            verdict = [Retryable(error, ambiguous=True)] * len(items)
        except SetupFailed as failure:
            error = failure.kind
            verdict = SetupFault(error, failure.detail)
        else:
            status = reply.status
            asked_s = retry_after_s(reply.headers, self._clock.now_ms(), longest_s=self._longest_s)
            verdict = _read(sink, endpoint, items, reply, attempt)
        took_s = self._clock.monotonic_s() - began_s
        return Attempted(verdict, status, error, len(request.body), took_s, asked_s)

    async def _written(self, topic: Topic, items: Sequence[Item]) -> Attempted:
        assert self._topics is not None
        began_s = self._clock.monotonic_s()
        verdict = await self._topics.write(topic, [item.first for item in items])
        size = sum(len(item.first.body) for item in items)
        return Attempted(verdict, 0, "", size, self._clock.monotonic_s() - began_s)


def _read(sink: Exchange, endpoint: Endpoint, items: Sequence[Item], reply: HttpResponse, attempt: Attempt) -> Verdict:
    """Have the sink read the reply; what it cannot read, or reads as other than one outcome per item, is ambiguous."""
    if 300 <= reply.status < 400:
        return SetupFault("redirect", f"status {reply.status}")
    try:
        verdict = sink.read(endpoint, items, reply, attempt)
    except Exception:  # noqa: BLE001  nobody knows what such a reply said
        verdict = ()
    if isinstance(verdict, Sequence) and len(verdict) != len(items):
        return [Retryable("unreadable", ambiguous=True)] * len(items)
    return verdict
