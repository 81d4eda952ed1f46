"""Set-ups that a vendor refused, each one endpoint and group of a quota. Pure.

A set-up fault names our credentials, which are a group's, or our address, which is an endpoint's; but a firewall rule
about one item's content looks the same. So the first one accuses the content: of its endpoint and group nothing else
starts but one request with content that never met such a fault. If that fails alike the fault is ours and the halt
stands; if it is answered, what failed since was to blame itself. Meanwhile the group's other endpoints are in doubt:
one request at a time, until one is answered. Other groups have other credentials and go on.
"""

from collections import deque
from collections.abc import Collection, Hashable, Iterator
from typing import Literal

# The name of an endpoint and a group.
Setup = tuple[str, str]

PROBE_FIRST_S = 1.0
PROBE_LONGEST_S = 60.0
ROTATION_S = 0.25
REMEMBERED = 64


def named(setup: Setup) -> dict[str, str]:
    """Name it in a log line: no group where the vendor has but one."""
    endpoint, group = setup
    return {"endpoint": endpoint, "group": group} if group else {"endpoint": endpoint}


class Refusal:
    """What is known of one set-up since it was refused. Every reading of time is an argument.

    `accusation` numbers a halt while the content is under suspicion, 0 once the fault is ours. `probing`: a request of
    it is on its way. `suspect` content met a set-up fault before. `told`: the log says what to mend.
    """

    def __init__(self, state: Literal["doubted", "halted"], now_s: float, accusation: int = 0) -> None:
        self.state = state
        self.accusation = accusation
        self.reason = ""
        self.probing = False
        self.told = False
        self.probe_at_s = now_s
        self._asked = False
        self._last_prober: Hashable = None
        self._probes = 0

    @property
    def halted(self) -> bool:
        return self.state == "halted"

    @property
    def confirmed(self) -> bool:
        return self.halted and not self.accusation

    def wait_s(self, now_s: float, holder: Hashable, *, suspect: bool, company: bool) -> float:
        """Seconds until this holder may start a request; infinite where the reply of another decides.

        In `company` whoever probed last lets another one try.
        """
        if self.probing:
            return float("inf")
        if not self.confirmed and not suspect and not self._asked:
            return 0.0
        rotation_s = ROTATION_S if company and holder == self._last_prober else 0.0
        return max(0.0, self.probe_at_s + rotation_s - now_s)

    def start(self, holder: Hashable, *, suspect: bool) -> None:
        """Note that a request starts: the one that decides, or a probe."""
        self.probing = True
        self._last_prober = holder
        self._asked = self._asked or not suspect

    def schedule(self, now_s: float) -> None:
        """Set the next probe: at twice the distance of the last, to a bound."""
        self.probe_at_s = now_s + min(PROBE_FIRST_S * 2.0 ** min(self._probes, 10), PROBE_LONGEST_S)
        self._probes += 1


class Refusals:
    """The refused set-ups of one quota; most of the time there is none.

    `guilty` holds the numbers of the last accusations that turned out to be about the content.
    """

    def __init__(self, endpoints: Collection[str]) -> None:
        self.guilty: deque[int] = deque(maxlen=REMEMBERED)
        self._endpoints = endpoints
        self._by_setup: dict[Setup, Refusal] = {}
        self._accusations = 0

    def __bool__(self) -> bool:
        return bool(self._by_setup)

    def get(self, setup: Setup) -> Refusal | None:
        return self._by_setup.get(setup)

    def halts(self) -> Iterator[tuple[Setup, Refusal]]:
        """The set-ups of which nothing is sent but what may end the halt."""
        return ((setup, refusal) for setup, refusal in self._by_setup.items() if refusal.halted)

    def fault(self, now_s: float, setup: Setup, reason: str, *, suspect: bool, probe: Refusal | None) -> int:
        """Note a set-up fault; return the number under which its content is accused, 0 once the fault is ours.

        `probe` is the refusal that the request was to try.
        """
        refusal = self._by_setup.get(setup)
        if refusal is None or not refusal.halted:
            self._accusations += 1
            refusal = self._by_setup[setup] = Refusal("halted", now_s, self._accusations)
            refusal.schedule(now_s)
            self._doubt(now_s, setup)
        else:
            if not suspect:
                refusal.accusation = 0
            if probe is refusal:
                refusal.schedule(now_s)
        refusal.reason = reason
        return refusal.accusation

    def answered(self, setup: Setup, *, suspect: bool, probe: Refusal | None) -> bool:
        """Note an answer about content; return whether this ended a halt.

        A reply to a request from before the refusal says nothing about it.
        """
        refusal = self._by_setup.get(setup)
        if refusal is None or refusal is not probe:
            return False
        if refusal.accusation and not suspect:
            self.guilty.append(refusal.accusation)
        del self._by_setup[setup]
        group = setup[1]
        of_group = [other for other in self._by_setup if other[1] == group]
        if not any(self._by_setup[other].halted for other in of_group):
            for other in of_group:
                del self._by_setup[other]
        return refusal.halted

    def _doubt(self, now_s: float, setup: Setup) -> None:
        """Doubt the other endpoints of the group: it may be its credentials that are refused."""
        for endpoint in self._endpoints:
            self._by_setup.setdefault((endpoint, setup[1]), Refusal("doubted", now_s))
