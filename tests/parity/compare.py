"""What we did beside what an SDK did: every difference as a line. Pure."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from tests.parity.capture import Expected, Observed, Outcome, Vendor, Wire

VARIES = "<varies>"
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def differences(vendor: Vendor, outcome: Outcome, observed: Observed) -> list[str]:
    """Compare the requests one by one, the waits that were asked for, and how the inputs ended."""
    ours = [sent for sent in observed.sent if outcome.concerns(sent.wire)]
    theirs = outcome.requests
    found = []
    if len(ours) < len(theirs) or (len(ours) > len(theirs) and not outcome.goes_on):
        found.append(f"requests: {len(ours)}, not {len(theirs)}")
    for number, (sent, expected) in enumerate(zip(ours, theirs, strict=False)):
        found += [f"request {number}: {line}" for line in _request(vendor, expected, sent.wire)]
    for number, (sent, following) in enumerate(pairwise(ours)):
        if following.at_s - sent.at_s < sent.asked_s:
            found.append(f"request {number + 1}: came {following.at_s - sent.at_s} s later, not {sent.asked_s}")
    if observed.ends not in [Counter(ends) for ends in outcome.ends]:
        allowed = " or ".join(str(dict(ends)) for ends in outcome.ends)
        found.append(f"ended as {dict(observed.ends)}, not as {allowed}")
    if outcome.causes is not None and observed.causes != Counter(outcome.causes):
        found.append(f"refused for {dict(observed.causes)}, not for {dict(outcome.causes)}")
    return found


def _request(vendor: Vendor, expected: Expected, sent: Wire) -> Iterator[str]:
    ours, theirs = vendor.normal(sent), vendor.normal(expected.wire)
    for name, our, their in (("method", ours.method, theirs.method), ("path", ours.path, theirs.path)):
        if our != their:
            yield f"{name}: {our}, not {their}"
    for name in sorted(vendor.headers - vendor.counted):
        if ours.headers.get(name) != theirs.headers.get(name):
            yield f"header {name}: {ours.headers.get(name)}, not {theirs.headers.get(name)}"
    for name in sorted(vendor.counted):
        if int(ours.headers.get(name, 0)) < int(theirs.headers.get(name, 0)):
            yield f"header {name}: {ours.headers.get(name)}, less than {theirs.headers.get(name)}"
    our_body, their_body = expected.view(ours.body), theirs.body
    for path in expected.varies:
        their_body = masked(their_body, path)
        our_body = masked(our_body, path)
    yield from _values("body", our_body, their_body, vendor.near)


def _values(at: str, ours: Any, theirs: Any, near: Mapping[str, int]) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            if key not in theirs:
                yield f"{at}.{key}: is sent"
            elif key not in ours:
                yield f"{at}.{key}: is not sent"
            else:
                yield from _values(f"{at}.{key}", ours[key], theirs[key], near)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            yield from _values(f"{at}[{number}]", our, their, near)
    # As text, because in Python 1, 1.0 and True are equal.
    elif json.dumps(ours) != json.dumps(theirs) and not _near(at, ours, theirs, near):
        yield f"{at}: {_short(ours)}, not {_short(theirs)}"


def _near(at: str, ours: Any, theirs: Any, near: Mapping[str, int]) -> bool:
    most = near.get(at.rpartition(".")[2])
    return most is not None and type(ours) is type(theirs) is int and abs(ours - theirs) <= most


def masked(body: Any, path: str) -> Any:
    """Replace the value at a path, unless it is missing or empty: then there is a difference to be shown."""
    steps = [int(index) if index else name for name, index in _STEP.findall(path)]
    return _masked(body, steps)


def _masked(value: Any, steps: list[str | int]) -> Any:
    if not steps:
        return VARIES if value not in (None, "") else value
    step, rest = steps[0], steps[1:]
    if isinstance(value, Mapping) and step in value:
        return {**value, str(step): _masked(value[str(step)], rest)}
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return [*value[:step], _masked(value[step], rest), *value[step + 1 :]]
    return value


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."
