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


class Now(Struct, frozen=True):
    """The moment of a reply. `healthy`: the quota answered something else since the batch began to fail."""

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
    """Sort the items of a reply; outcomes that do not match the items leave all of it ambiguous."""
    if len(outcomes) != len(batch.bundles):
        outcomes = [Retryable("unreadable", ambiguous=True)] * len(batch.bundles)
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
    again: list[Again] = []
    split = ""
    if unclear:
        parts = halves(_answered(batch, unclear), by_bytes=why[0].by_bytes)
        if len(parts) == 1:
            verdict = Rejected("too_large" if why[0].by_bytes else "refused", why[0].reason)
            final.extend((delivery, verdict) for delivery in parts[0].deliveries())
        else:
            split = why[0].reason
            again += [Again(part, now.s, blocks=True, reason=split) for part in parts]
    if failed:
        whole = len(failed) == len(batch.bundles)
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
    return replace(batch, bundles=tuple(bundles), failures=0, failing_since_s=None, accusation=0, refreshed=False)


def _retry(
    batch: Batch, wait: Sequence[Retryable], now: Now, policy: Policy, *, whole: bool
) -> tuple[list[Again] | None, str]:
    """Send again, taken apart or parked where only this batch fails; None where it has failed for long enough."""
    asked_s = max((outcome.retry_after_s or 0.0 for outcome in wait), default=0.0)
    limited = any(outcome.limited for outcome in wait)
    failures = batch.failures if limited else batch.failures + 1
    since_s = now.s if batch.failing_since_s is None else batch.failing_since_s
    failing = replace(
        batch,
        failures=failures,
        failing_since_s=since_s,
        first_failure_ms=now.ms if batch.first_failure_ms is None else batch.first_failure_ms,
    )
    reason = wait[0].reason
    at_once = reason == "reset" and not wait[0].ambiguous and failures == 1
    drawn_s = delay_s(max(failures, 1), now.chance, first_s=policy.retry_first_s, longest_s=policy.retry_longest_s)
    due_s = now.s if at_once else now.s + max(asked_s, drawn_s)
    alone = now.healthy and not limited and (batch.suspect or failures >= FAILURES_TO_SUSPECT)
    if not alone:
        return [Again(failing, due_s, blocks=whole and batch.parked_since_s is None, reason=reason)], ""
    if failing.count > 1:
        parts = halves(replace(failing, suspect=True, failing_since_s=now.s), by_bytes=False)
        return [Again(part, due_s, blocks=False, reason=reason) for part in parts], "poison"
    parked_s = now.s if batch.parked_since_s is None else batch.parked_since_s
    if policy.park_s and now.s - parked_s >= policy.park_s:
        return None, ""
    parked = replace(failing, suspect=True, parked_since_s=parked_s, failing_since_s=now.s)
    return [Again(parked, due_s, blocks=False, reason=reason)], ""
