"""What follows from a reply: which deliveries are final, which go again, when and in what company. Pure."""

import random
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from connector.domain.outcome import Delivered, Outcome, Rejected, Retryable, Undetermined
from connector.pipeline.backoff import delay_s
from connector.pipeline.batch import Batch, Delivery
from connector.pipeline.split import halves

FAILURES_TO_SUSPECT = 5
CONVICTIONS_TO_REJECT = 3


class Policy(Struct, frozen=True):
    """How failures are met. Units: seconds; `park_s` 0 parks for ever."""

    retry_first_s: float
    retry_longest_s: float
    park_s: float
    ambiguous: Literal["resend", "dead_letter"]
    retry_after_longest_s: float = 900.0


class Now(Struct, frozen=True):
    """The moment of a reply.

    `healthy`: the quota answered something else since the batch began to fail, or, for a suspect, nothing else failed.
    """

    s: float
    ms: int
    healthy: bool
    chance: random.Random


class Again(Struct, frozen=True):
    """A batch that must be sent once more, not before a time.

    `blocks`: the whole request failed, so the lane starts nothing else of that quota before; else only its keys wait.
    """

    batch: Batch
    not_before_s: float
    blocks: bool
    reason: str


class Judged(Struct, frozen=True):
    final: tuple[tuple[Delivery, Delivered | Rejected], ...]
    again: tuple[Again, ...] = ()
    split: str = ""


def judge(batch: Batch, outcomes: Sequence[Outcome], now: Now, policy: Policy) -> Judged:
    """Sort the items of a reply by their outcomes, one each."""
    final: list[tuple[Delivery, Delivered | Rejected]] = []
    unclear: list[tuple[Delivery, ...]] = []
    failed: list[tuple[Delivery, ...]] = []
    why: list[Undetermined] = []
    wait: list[Retryable] = []
    for bundle, outcome in zip(batch.bundles, outcomes, strict=True):
        if isinstance(outcome, Delivered | Rejected):
            final.extend((delivery, outcome) for delivery in bundle)
        elif isinstance(outcome, Undetermined):
            unclear.append(bundle)
            why.append(outcome)
        else:
            resent = tuple(delivery for delivery in bundle if _may_resend(delivery, outcome, policy))
            given_up = Rejected("ambiguous", outcome.reason)
            final.extend((delivery, given_up) for delivery in bundle if delivery not in resent)
            if resent:
                failed.append(resent)
                wait.append(outcome)
    again, split = list[Again](), ""
    if unclear:
        parts = halves(_answered(batch, unclear), by_bytes=why[0].by_bytes)
        if len(parts) == 1:
            verdict = Rejected("too_large" if why[0].by_bytes else "refused", why[0].reason)
            final.extend((delivery, verdict) for delivery in parts[0].deliveries())
        else:
            split = why[0].reason
            again += [Again(part, now.s, blocks=True, reason=split) for part in parts]
    if failed:
        # A reply of success that fails each item is about these items: the request itself was well.
        whole = len(failed) == len(batch.bundles) and not 200 <= batch.status < 300
        retried, split_for = _retry(replace(batch, bundles=tuple(failed)), wait, now, policy, whole=whole)
        split = split or split_for
        if retried is None:
            verdict = Rejected("exhausted", wait[0].reason)
            final.extend((delivery, verdict) for bundle in failed for delivery in bundle)
        else:
            again += retried
    return Judged(tuple(final), tuple(again), split)


def convicted(batch: Batch, now: Now, policy: Policy) -> Judged:
    """A set-up fault that turned out to be about this content: find the item, and give it up the third time.

    A vendor whose fault came and went between two requests looks the same once, hardly three times.
    """
    batch = _answered(batch, batch.bundles)
    parts = halves(batch, by_bytes=False)
    if len(parts) > 1:
        return Judged((), tuple(Again(part, now.s, blocks=False, reason="setup") for part in parts), "refused_setup")
    if batch.convictions + 1 >= CONVICTIONS_TO_REJECT:
        verdict = Rejected("refused", "set-up fault for this content alone")
        return Judged(tuple((delivery, verdict) for delivery in batch.deliveries()))
    wait_s = delay_s(batch.convictions + 1, now.chance, first_s=policy.retry_first_s, longest_s=policy.retry_longest_s)
    again = replace(batch, convictions=batch.convictions + 1)
    return Judged((), (Again(again, now.s + wait_s, blocks=False, reason="setup"),))


def _may_resend(delivery: Delivery, outcome: Retryable, policy: Policy) -> bool:
    return not outcome.ambiguous or delivery.payload.replay_safe or policy.ambiguous == "resend"


def _answered(batch: Batch, bundles: Sequence[tuple[Delivery, ...]]) -> Batch:
    """The batch of these bundles, free of the failures that a verdict on content has ended."""
    return replace(
        batch, bundles=tuple(bundles), failures=0, limits_met=0, failing_since_s=None, accusation=0, refreshed=False
    )


def _retry(
    batch: Batch, wait: Sequence[Retryable], now: Now, policy: Policy, *, whole: bool
) -> tuple[list[Again] | None, str]:
    """Send again, taken apart or parked where only this batch fails; None where it has failed for long enough."""
    limited = any(outcome.limited for outcome in wait)
    failing = replace(
        batch,
        failures=batch.failures if limited else batch.failures + 1,
        limits_met=batch.limits_met + limited,
        refreshed=False,
        failing_since_s=now.s if batch.failing_since_s is None else batch.failing_since_s,
        first_failure_ms=now.ms if batch.first_failure_ms is None else batch.first_failure_ms,
    )
    reason = wait[0].reason
    due_s = now.s + _wait_s(failing, wait, now, policy)
    if not now.healthy or limited or not (batch.suspect or failing.failures >= FAILURES_TO_SUSPECT):
        if batch.parked:
            failing = replace(failing, failing_since_s=now.s)
        # What goes on failing lets the lane try other content, which alone can tell whether the vendor is to blame.
        blocks = whole and not batch.parked and failing.failures < FAILURES_TO_SUSPECT
        return [Again(failing, due_s, blocks=blocks, reason=reason)], ""
    if failing.count > 1:
        due_s = now.s + delay_s(1, now.chance, first_s=policy.retry_first_s, longest_s=policy.retry_longest_s)
        parts = halves(replace(failing, suspect=True, failures=0, failing_since_s=now.s), by_bytes=False)
        return [Again(part, due_s, blocks=False, reason=reason) for part in parts], "poison"
    parked = replace(failing, suspect=True, failing_since_s=now.s, parked_since_s=now.s)
    if batch.parked:
        parked_for_s = batch.parked_for_s + now.s - (batch.failing_since_s or now.s)
        waited = batch.crowds or parked_for_s >= (policy.park_s or float("inf"))
        if waited and failing.failures >= FAILURES_TO_SUSPECT:
            return None, ""
        due_s = now.s if batch.crowds else due_s
        parked = replace(parked, parked_since_s=batch.parked_since_s, parked_for_s=parked_for_s)
    return [Again(parked, due_s, blocks=False, reason=reason)], ""


def _wait_s(failing: Batch, wait: Sequence[Retryable], now: Now, policy: Policy) -> float:
    """Draw the wait; a connection that was closed before anything was sent costs none the first time."""
    if wait[0].reason == "reset" and not wait[0].ambiguous and failing.failures == 1:
        return 0.0
    asked_s = min(max(outcome.retry_after_s or 0.0 for outcome in wait), policy.retry_after_longest_s)
    tries = max(1, failing.failures + failing.limits_met)
    return max(asked_s, delay_s(tries, now.chance, first_s=policy.retry_first_s, longest_s=policy.retry_longest_s))
