"""All captures of some files: which pass, which fail and why, and what is out of scope by which rule."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from tests.parity.capture import Capture, Rule, Vendor
from tests.parity.compare import differences
from tests.parity.play import play


class Report(Struct, frozen=True):
    passed: tuple[str, ...]
    failed: Mapping[str, Sequence[str]]
    out_of_scope: Mapping[Rule, int]


def report(vendor: Vendor, captures: Iterable[Capture]) -> Report:
    """Play each capture that no rule leaves out; of several rules the first counts."""
    passed: list[str] = []
    failed: dict[str, Sequence[str]] = {}
    left_out = Counter[Rule]()
    for capture in captures:
        rule = out_of_scope(vendor, capture)
        if rule is not None:
            left_out[rule] += 1
            continue
        found = failures(vendor, capture)
        if found:
            failed[capture.name] = found
        else:
            passed.append(capture.name)
    return Report(tuple(passed), failed, left_out)


def out_of_scope(vendor: Vendor, capture: Capture) -> Rule | None:
    return next((rule for rule in vendor.scope if rule.applies(capture.subject)), None)


def failures(vendor: Vendor, capture: Capture) -> Sequence[str]:
    """Return what differs, nothing where all is alike; a capture that cannot be played or read has failed, too."""
    try:
        return differences(vendor, vendor.outcome(capture), play(vendor.name, vendor.scenario(capture.subject)))
    except Exception as fault:  # noqa: BLE001  of many captures, one of a kind not met before must not hide the others
        return [f"{type(fault).__name__}: {fault}"]


def lines(found: Report) -> Iterable[str]:
    for name, why in found.failed.items():
        yield f"FAILED {name}"
        yield from (f"    {line}" for line in why)
    yield f"{len(found.passed)} passed, {len(found.failed)} failed"
    yield f"{sum(found.out_of_scope.values())} out of scope"
    for rule, count in found.out_of_scope.items():
        yield f"{count:5} {rule.reason} ({rule.sheet})"
