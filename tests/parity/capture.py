"""What the frame and a vendor's module tell each other. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from connector.domain.events import Event
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import ConnectorError, Undecodable
from connector.pipeline.options import RouteOptions
from connector.sinks.contract import Sink


class Subject(Struct, frozen=True):
    """All of a capture that a rule and a mapping may look at: neither its name nor what was expected."""

    input: Mapping[str, Any]
    group: str = ""
    call: str = ""
    version: str = ""


class Capture(Struct, frozen=True):
    """One capture; `raw` is all of it."""

    name: str
    subject: Subject
    raw: Mapping[str, Any]


class Rule(Struct, frozen=True):
    """Why some captures are out of scope; `sheet` names the section that says so."""

    reason: str
    sheet: str
    applies: Callable[[Subject], bool]


class Wire(Struct, frozen=True):
    """A request as both sides show it.

    Shape: `path` with its query, header names in lower case and the host among them, `body` parsed where it is JSON,
    else its text; `sent` its very bytes, where they are signed.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    sent: bytes = b""


def _as_it_is(body: Any) -> Any:
    return body


class Expected(Struct, frozen=True):
    """One captured request.

    `varies`  paths within the body (`batch[0].messageId`) whose values the SDK made up: ours must have some, too.
    `view`    brings our body to what the capture shows of its own: a summary of a large one.
    """

    wire: Wire
    varies: tuple[str, ...] = ()
    view: Callable[[Any], Any] = _as_it_is


def _any_request(wire: Wire) -> bool:
    return True


class Outcome(Struct, frozen=True):
    """What the SDK did in all.

    `ends`  how the inputs may have ended with us, by number: delivered, dead_lettered, skipped, open; any one of these.
    `goes_on`  where the SDK gave up, we may send further requests.
    `concerns` which of our requests are compared, where a capture shows some kinds only.
    `causes`   the reasons of our dead letters, by number, where the SDK says what was wrong.
    """

    requests: tuple[Expected, ...]
    ends: tuple[Mapping[str, int], ...]
    goes_on: bool = False
    causes: Mapping[str, int] | None = None
    concerns: Callable[[Wire], bool] = _any_request


Answer = HttpResponse | ConnectorError


class Scenario(Struct, frozen=True):
    """The same for our sink: its variables, events in order (or why there is none) and the server's answers.

    `make` creates the sink where its variables do not say all.
    """

    environ: Mapping[str, str]
    inputs: Sequence[Event | Undecodable]
    answer: Callable[[HttpRequest], Answer]
    began_ms: int
    route: RouteOptions = RouteOptions()
    lasts_s: float = 60.0
    make: Callable[[Mapping[str, str]], Sink] | None = None


class Sent(Struct, frozen=True):
    """One request of ours: when it began, and how long its answer asked to wait."""

    at_s: float
    wire: Wire
    asked_s: float = 0.0


class Observed(Struct, frozen=True):
    """What our sink did. Shape: `ends` as the outcome's; `refused_at_start` where its variables were."""

    sent: tuple[Sent, ...]
    ends: Counter[str]
    causes: Counter[str] = Counter()


class Vendor(Struct, frozen=True):
    """A vendor's part of the comparison.

    `headers`  those that mean something, in lower case; of the `counted` ones ours is at least theirs, absent is 0.
    `normal`   drops from a request what identifies its sender, and writes equal things alike.
    `near`     names in a body whose numbers may differ, by so much at most.
    """

    name: str
    captures: Callable[[Any], Sequence[Capture]]
    scope: tuple[Rule, ...]
    scenario: Callable[[Subject], Scenario]
    outcome: Callable[[Capture], Outcome]
    headers: frozenset[str]
    normal: Callable[[Wire], Wire]
    counted: frozenset[str] = frozenset()
    near: Mapping[str, int] = {}
