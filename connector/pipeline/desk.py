"""What the lanes of a flow share: the sink, its gates and feeds, and how each reply bears on them."""

import asyncio
from collections.abc import Sequence

import structlog

from connector.domain.outcome import Delivered, Outcome, Retryable, SetupFault, Undetermined
from connector.errors import SettingsError
from connector.observe.metrics import FlowMetrics
from connector.pipeline.account import Account
from connector.pipeline.batch import Batch, full
from connector.pipeline.clock import Clock
from connector.pipeline.deliver import Attempted, Sender
from connector.pipeline.feed import Feeds
from connector.pipeline.gate import Gate, Permit
from connector.pipeline.judge import Policy
from connector.pipeline.lookup import Lookups
from connector.pipeline.options import Options, Outside
from connector.pipeline.setup import named
from connector.pipeline.topics import TopicWriter
from connector.sinks.contract import Endpoint, Sink

log = structlog.get_logger(__name__)

TRANSLATED_AHEAD = 2
LONGEST_COMPUTED_S = 0.05
REGISTER_AGAIN_S = 5.0


class Desk:
    """One per flow. Gates by quota; learned request sizes by endpoint. `leaving`: the flow was told to stop."""

    def __init__(self, sink: Sink, options: Options, outside: Outside, account: Account, metrics: FlowMetrics) -> None:
        self.sink = sink
        self.options = options
        self.account = account
        self.metrics = metrics
        self.clock: Clock = outside.clock
        self.chance = outside.chance
        self.decode = outside.decoder.decode
        self.topics = TopicWriter(outside.teller or outside.producer, outside.registrar)
        self.sender = Sender(outside.http, outside.clock, outside.chance, options.retry_after_longest_s, self.topics)
        self.policy = Policy(
            options.retry_first_s,
            options.retry_longest_s,
            options.park_s,
            options.ambiguous,
            options.retry_after_longest_s,
        )
        self.feeds = Feeds(sink.feeds, outside.http, outside.clock, outside.chance, outside.shelf, self.reload)
        self.lookups = Lookups(sink.lookups, outside.clock, outside.open_store, metrics.lookup_failed)
        self.last_error = ""
        self.distrusted = False
        self.leaving = False
        self.rest_s = 0.0
        self._make_anew = outside.reload
        self._learned: dict[str, int] = {}
        self._taken: dict[str, int] = {}
        self.gates = self._make_gates(
            [*sink.endpoints.values(), *(lookup.endpoint for lookup in self.lookups.asked.values())]
        )
        self.plenty = max(full(endpoint.limits) for endpoint in sink.endpoints.values())
        self.ahead = TRANSLATED_AHEAD * self.plenty

    @property
    def stopped(self) -> bool:
        """Whether all sending has ended: by the guard, or because what was decoded cannot be trusted."""
        return self.distrusted or self.account.letters.guard.tripped

    def gate(self, endpoint: Endpoint) -> Gate:
        return self.gates[endpoint.quota]

    def request_bytes(self, endpoint: Endpoint) -> int:
        """The most one request may hold: the documented limit, or less where a 413 taught so."""
        return self._learned.get(endpoint.name, endpoint.limits.request_bytes)

    async def rest(self) -> None:
        """Let polls, replies and probes of liveness have the loop; the first lane back may compute for a while more.

        `rest_s` is when all lanes together have computed for long enough: a translation may be costly.
        """
        before_s = self.rest_s
        await asyncio.sleep(0)
        if self.rest_s == before_s:
            self.rest_s = self.clock.monotonic_s() + LONGEST_COMPUTED_S

    async def prepare_topics(self) -> None:
        """Register the schemas of our own topics before anything is written, so that a start shows what is wrong."""
        topics = [endpoint.topic for endpoint in self.sink.endpoints.values() if endpoint.topic is not None]
        while topics:
            topics = [topic for topic in topics if not await self.topics.prepare(topic)]
            if topics:
                await asyncio.sleep(REGISTER_AGAIN_S)

    def reload(self) -> None:
        """Read secrets anew before what was refused is tried again; what cannot be read leaves the old ones."""
        try:
            self.sink = self._make_anew()
            self.feeds.adopt(self.sink.feeds)
            self.lookups.adopt(self.sink.lookups)
        except SettingsError as error:
            log.warning("settings could not be read again", sink=self.sink.name, problem=str(error))

    def heard(self, batch: Batch, attempted: Attempted, permit: Permit) -> None:
        """Let the quota's gate know what a request came to, and count it."""
        if batch.endpoint.topic is not None:
            self.metrics.topic_written(attempted.outcome, batch.count, attempted.took_s)
        else:
            code = str(attempted.status) if attempted.status else "none"
            self.metrics.request(code, attempted.outcome, attempted.took_s, attempted.request_bytes)
        if attempted.error:
            self.metrics.http_error(attempted.error)
        verdict, circuit = attempted.verdict, permit.gate.circuit
        if not isinstance(verdict, Sequence):
            return
        before, was_halted = circuit.state, permit.gate.halted(batch.setup)
        retried: list[Retryable] = []
        if Retryable in attempted.kinds:
            retried = [outcome for outcome in verdict if isinstance(outcome, Retryable)]
            self._failed(retried, attempted)
            self._wait(retried, attempted, permit, known_bad=batch.suspect)
        if len(retried) < len(verdict):
            used = next((one.quota_used for one in verdict if isinstance(one, Delivered)), None)
            permit.gate.answered(permit, self.clock.monotonic_s(), used)
            self._learn(batch, verdict if Undetermined in attempted.kinds else ())
        if circuit.state != before and "closed" in (circuit.state, before):
            log.warning("circuit changed", sink=self.sink.name, state=circuit.state, before=before)
        if was_halted and not permit.gate.halted(batch.setup):
            log.warning("the vendor takes our set-up again", sink=self.sink.name, **named(batch.setup))

    def _wait(self, retried: Sequence[Retryable], attempted: Attempted, permit: Permit, *, known_bad: bool) -> None:
        """Close the gate for as long as was asked; where nothing was taken, note why.

        That a suspect fails again says nothing against the vendor.
        """
        now_s, gate = self.clock.monotonic_s(), permit.gate
        asked_s = max(attempted.retry_after_s or 0.0, *(outcome.retry_after_s or 0.0 for outcome in retried))
        if asked_s:
            gate.close_until(now_s + min(asked_s, self.options.retry_after_longest_s))
            self.metrics.rate_limit_wait(asked_s)
        if any(outcome.limited for outcome in retried):
            self.metrics.rate_limited()
        if isinstance(attempted.verdict, Sequence) and len(retried) == len(attempted.verdict):
            if any(outcome.limited for outcome in retried):
                gate.limited(permit, now_s, gently=any(outcome.gently for outcome in retried))
            elif known_bad and not permit.decides:
                gate.abandoned(permit)
            else:
                gate.failed(permit, now_s)

    def accused(self, permit: Permit, fault: SetupFault) -> int:
        """Meet a set-up fault; return the number under which the batch's content is suspected, 0 for none."""
        before = permit.gate.refusals.get(permit.setup)
        first = before is None or not before.halted
        number = permit.gate.setup_fault(permit, self.clock.monotonic_s(), fault.reason)
        refusal = permit.gate.refusals.get(permit.setup)
        self.last_error = fault.reason
        self.metrics.failed(self.clock.now_ms() / 1000)
        if number and first:
            log.warning(
                "request refused for our set-up; asking with other content",
                sink=self.sink.name,
                **named(permit.setup),
                reason=fault.reason,
            )
        elif refusal is not None and not refusal.told and (refusal.confirmed or permit.trial is refusal):
            refusal.told = True
            log.error(
                "the vendor refuses our set-up; of it only probes are sent until it is mended, nothing is lost",
                sink=self.sink.name,
                **named(permit.setup),
                reason=fault.reason,
                detail=fault.detail,
                asked_with="the same content alone" if number else "other content",
                fix="mend these credentials, the address or the proxy; a secret given as a file is read again",
            )
        return number

    def _failed(self, retried: Sequence[Retryable], attempted: Attempted) -> None:
        self.last_error = retried[0].reason
        self.metrics.failed(self.clock.now_ms() / 1000)
        log.warning(
            "request failed, will be sent again",
            sink=self.sink.name,
            reason=retried[0].reason,
            code=attempted.status,
            items=len(retried),
            ambiguous=retried[0].ambiguous,
            asked_s=attempted.retry_after_s,
        )

    def _learn(self, batch: Batch, verdict: Sequence[Outcome]) -> None:
        """Shape later batches by what was too large, but not below what was taken: one item may be to blame."""
        name = batch.endpoint.name
        if not any(isinstance(one, Undetermined) and one.by_bytes for one in verdict):
            self._taken[name] = max(self._taken.get(name, 0), batch.size)
        elif len(batch.bundles) > 1:
            less = max(batch.size // 2, self._taken.get(name, 0))
            self._learned[name] = min(self.request_bytes(batch.endpoint), less)

    def _make_gates(self, endpoints: Sequence[Endpoint]) -> dict[str, Gate]:
        now_s = self.clock.monotonic_s()
        quotas: dict[str, list[Endpoint]] = {}
        for endpoint in endpoints:
            quotas.setdefault(endpoint.quota, []).append(endpoint)
        gates = {}
        for quota, its in quotas.items():
            rate = min((one.rate_per_s for one in its if one.rate_per_s is not None), default=None)
            names = [one.name for one in its]
            gates[quota] = Gate(names, most=self.options.lanes, rate_per_s=rate, now_s=now_s)
        return gates
