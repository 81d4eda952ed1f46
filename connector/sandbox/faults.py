"""Faults by script: what goes wrong with a request, read from text and drawn from a seeded chance. Pure.

status=503@0.02                    2 of 100 requests, of every vendor
segment:latency=20ms~800ms         every request to Segment: median 20 ms, one in a hundred beyond 800 ms
segment/v1/batch:reset=after@0.01  taken, then the connection is reset
"""

import math
import random
import re
from collections.abc import Callable, Sequence
from statistics import NormalDist

import mmh3
from msgspec import Struct

from connector.environment import parse_duration_s

_SPEC = re.compile(
    r"(?:(?P<vendor>[a-z]+)(?P<path>/[^:]*)?:)?(?P<kind>[a-z]+)(?:=(?P<value>[^@]*))?(?:@(?P<share>.+))?"
)
NORMAL = NormalDist()
_WHOLE = 2.0**32


class Fault(Struct, frozen=True):
    """One line of the script. Shape: the numbers of `value` mean what the kind says."""

    kind: str
    value: tuple[float, ...] = ()
    word: str = ""
    share: float = 1.0
    vendor: str = ""
    path: str = ""

    def concerns(self, vendor: str, path: str) -> bool:
        return self.vendor in ("", vendor) and path.startswith(self.path)


class Quota(Struct, frozen=True):
    """So many requests, or items, in so long a time."""

    count: float
    seconds: float
    items: bool


class Trouble(Struct):
    """What goes wrong with one request.

    Shape: `cut` is head, before, after, hang, half or "". `status` 0 for the vendor's own.
    """

    wait_s: float = 0.0
    cut: str = ""
    status: int = 0
    retry_after_s: float | None = None
    drip_s: float = 0.0
    quota: Quota | None = None
    bad_share: float = 0.0
    names: tuple[str, ...] = ()


def parse_faults(text: str) -> list[Fault]:
    """Read a script. Raises: ValueError that says what is wrong with it."""
    return [_fault(part.strip()) for part in text.split(",") if part.strip()]


def draw(faults: Sequence[Fault], vendor: str, path: str, chance: random.Random) -> Trouble:
    """Decide what goes wrong with a request; of several that end it the first one does.

    Chance is asked the same number of times whatever it answers, so that one fault does not move the others.
    """
    trouble = Trouble()
    for fault in faults:
        drawn, spread = chance.random(), chance.random()
        if drawn < fault.share and fault.concerns(vendor, path):
            _add(fault, trouble, spread)
    return trouble


def chosen(seed: int, share: float) -> Callable[[str], bool]:
    """Return whether an item is among the share that is refused: the same on every attempt."""
    below = share * _WHOLE
    return lambda identifier: mmh3.hash(identifier, seed, signed=False) < below


def _fault(text: str) -> Fault:
    found = _SPEC.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no fault")
    kind, value = found["kind"], found["value"]
    reader = _READERS.get(kind)
    if reader is None:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
    try:
        numbers, word = reader(value)
        share = _share(found["share"]) if found["share"] is not None else 1.0
    except ValueError:
        raise ValueError(f"{text!r} does not say {kind} as it must be said") from None
    return Fault(kind, numbers, word, share, found["vendor"] or "", found["path"] or "")


_Read = tuple[tuple[float, ...], str]


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError
    return share


def _status(text: str | None) -> _Read:
    status = int(text or "")
    if not 200 <= status <= 599:
        raise ValueError
    return (status,), ""


def _latency(text: str | None) -> _Read:
    text = text or ""
    for sign in ("..", "~"):
        low, found, high = text.partition(sign)
        if found:
            if not 0 < parse_duration_s(low) <= parse_duration_s(high):
                raise ValueError
            return (parse_duration_s(low), parse_duration_s(high)), sign
    return (parse_duration_s(text),), ""


def _quota(text: str | None) -> _Read:
    count, time, *rest = (text or "").split("/")
    if rest not in ([], ["items"]) or int(count) < 1 or parse_duration_s(time) <= 0:
        raise ValueError
    return (int(count), parse_duration_s(time)), "items" if rest else ""


def _reset(text: str | None) -> _Read:
    if text not in ("head", "before", "after"):
        raise ValueError
    return (), text


def _nothing(text: str | None) -> _Read:
    if text is not None:
        raise ValueError
    return (), ""


_READERS: dict[str, Callable[[str | None], _Read]] = {
    "status": _status,
    "limited": lambda text: ((parse_duration_s(text or "1s"),), ""),
    "quota": _quota,
    "latency": _latency,
    "reset": _reset,
    "hang": _nothing,
    "half": _nothing,
    "drip": lambda text: ((parse_duration_s(text or "20ms"),), ""),
    "bad": lambda text: ((_share(text or "1"),), ""),
}
KINDS = tuple(_READERS)


def _add(fault: Fault, trouble: Trouble, spread: float) -> None:
    ends = fault.kind in ("status", "limited", "reset", "hang", "half")
    if ends and (trouble.cut or trouble.status):
        return
    match fault.kind:
        case "status":
            trouble.status = int(fault.value[0])
        case "limited":
            trouble.status, trouble.retry_after_s = 429, fault.value[0]
        case "quota":
            trouble.quota = Quota(fault.value[0], fault.value[1], fault.word == "items")
        case "latency":
            trouble.wait_s = _spread(fault, spread)
        case "reset":
            trouble.cut = fault.word
        case "hang" | "half":
            trouble.cut = fault.kind
        case "drip":
            trouble.drip_s = fault.value[0]
        case "bad":
            trouble.bad_share = fault.value[0]
    if fault.kind not in ("quota", "latency", "bad"):
        trouble.names += (f"{fault.kind}={fault.word}" if fault.word else fault.kind,)


def _spread(fault: Fault, uniform: float) -> float:
    if fault.word == "":
        return fault.value[0]
    low, high = fault.value
    if fault.word == "..":
        return low + (high - low) * uniform
    deviation = math.log(high / low) / NORMAL.inv_cdf(0.99)
    return low * math.exp(deviation * NORMAL.inv_cdf(min(max(uniform, 1e-9), 1 - 1e-9)))
