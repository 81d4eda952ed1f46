"""What Flagship's SDKs were seen to do around the wire, and what the sheet says is right: ours beside each of them.

Those of options, of threads and of values cached in a process have no counterpart here. Source: flagship.md 20.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import pytest

from connector.domain.events import Event, Exposure, Identify, Screen
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import NotSent
from tests.parity.capture import Answer, Observed, Scenario
from tests.parity.play import play

NOW_MS = 1_700_000_000_000
EVERYONE = {"targetingGroups": [{"targetings": [{"operator": "EQUALS", "key": "fs_all_users", "value": ""}]}]}
COLOUR = {"id": "v1", "allocation": 100, "modifications": {"type": "JSON", "value": {"colour": "red"}}}
GROUP: dict[str, Any] = {"id": "g1", "targeting": EVERYONE, "variations": [COLOUR]}
SHOWN = Screen(name="home", user_id="u1", timestamp_ms=NOW_MS)
MET = Exposure(flag="colour", user_id="u1", timestamp_ms=NOW_MS)


def file(*groups: dict[str, Any], panic: bool = False) -> bytes:
    campaigns = [{"id": f"c{number}", "variationGroups": [group]} for number, group in enumerate(groups or (GROUP,))]
    return json.dumps({"panic": panic, "campaigns": campaigns}).encode()


GOOD, PANIC, BROKEN = file(), file(panic=True), b"<html>"


def played(
    inputs: Sequence[Event],
    files: Sequence[bytes | int] = (GOOD,),
    answer: Callable[[HttpRequest, int], Answer] = lambda request, turn: HttpResponse(200),
    **variables: str,
) -> Observed:
    """Play events; each poll gets the next file, or the status that stands for none, and the last one again."""
    polls, turns = count(), count()

    def answered(request: HttpRequest) -> Answer:
        if request.method == "GET":
            number = next(polls)
            given = files[min(number, len(files) - 1)]
            return (
                HttpResponse(given)
                if isinstance(given, int)
                else HttpResponse(200, {"last-modified": f"{number}"}, given)
            )
        return answer(request, next(turns))

    environ = {"FLAGSHIP_ENV_ID": "env1", "FLAGSHIP_POLLING_INTERVAL": "1s"}
    environ |= {f"FLAGSHIP_{name}": value for name, value in variables.items()}
    return play("flagship", Scenario(environ=environ, inputs=inputs, answer=answered, began_ms=NOW_MS))


def bodies(observed: Observed, path: str = "/") -> list[Any]:
    return [sent.wire.body for sent in observed.sent if sent.wire.path == path]


@pytest.mark.parametrize("files", [(PANIC, GOOD), (PANIC, BROKEN, GOOD), (PANIC, 500, 403, GOOD)])
def test_panic_of_the_first_file_is_lifted_by_a_later_one_and_polling_survives_what_comes_between(
    files: Sequence[bytes | int],
) -> None:
    """2.1.5 stays in panic for good, and its polling dies of an answer it cannot read (numbers 6 and 8)."""
    observed = played([SHOWN], files, PANIC="hold")
    assert len(bodies(observed)) == 1
    assert observed.ends == Counter(delivered=1)


def test_what_happens_before_the_first_file_waits_for_it_with_all_it_says() -> None:
    """3.0.1 drops context, hits and consent of visitors made before its first poll."""
    told = Identify(user_id="u1", traits={"plan": "pro"}, timestamp_ms=NOW_MS)
    observed = played([told, SHOWN, MET], (500, 500, GOOD))
    assert [child["t"] for body in bodies(observed) for child in body["h"]] == ["SEGMENT", "SCREENVIEW"]
    assert len(bodies(observed, "/v2/activate")) == 1
    assert observed.ends == Counter(delivered=3)


@pytest.mark.parametrize(
    "broken",
    [{"id": "x", "variations": [COLOUR]}, {**GROUP, "id": "x", "variations": [{"id": "v", "allocation": 100}]}],
)
def test_a_broken_group_costs_nobody_the_others(broken: dict[str, Any]) -> None:
    """2.1.5 fails every decision by such a file."""
    observed = played([MET], (file(broken, GROUP),))
    (body,) = bodies(observed, "/v2/activate")
    assert [one["vaid"] for one in body["batch"]] == ["v1"]


def test_a_vendor_that_cannot_be_reached_gets_everything_later() -> None:
    """2.1.5 raises and forgets (number 11)."""
    observed = played([MET, SHOWN], answer=lambda _, turn: NotSent("connect") if turn < 4 else HttpResponse(200))
    assert observed.ends == Counter(delivered=2)
    assert len(observed.sent) > 6


def test_a_decision_that_cannot_be_had_is_waited_for() -> None:
    """3.0.1 erases the flags it had (number 10)."""
    decided = {"id": "c", "variationGroupId": "g1", "variation": COLOUR}
    said = HttpResponse(200, {}, json.dumps({"visitorId": "u1", "campaigns": [decided]}).encode())

    def answer(request: HttpRequest, turn: int) -> Answer:
        if "/campaigns/" not in request.url:
            return HttpResponse(204)
        return HttpResponse(503) if turn < 4 else said

    observed = played([MET], answer=answer, MODE="api", API_KEY="k")
    assert len(bodies(observed, "/v2/activate")) == 1
    assert observed.ends == Counter(delivered=1)


def test_a_flag_met_three_times_is_three_activations() -> None:
    observed = played([MET, MET, MET])
    assert [len(body["batch"]) for body in bodies(observed, "/v2/activate")] == [3]


def test_18_hits_of_300_kb_are_as_many_requests_as_keep_each_below_2_500_000_bytes() -> None:
    """3.0.1 sends them in one request of 5.4 MB (number 16)."""
    heavy = [
        Identify(user_id=f"u{number}", traits={"note": "x" * 300_000}, timestamp_ms=NOW_MS) for number in range(18)
    ]
    observed = played(heavy)
    sizes = [len(json.dumps(body, separators=(",", ":"))) for body in bodies(observed)]
    assert max(sizes) < 2_500_000
    assert len(sizes) == 3
    assert sum(len(body["h"]) for body in bodies(observed)) == 18


def test_hits_that_wait_when_panic_starts_do_not_go_out() -> None:
    """3.0.1 sends them all the same."""
    observed = played([SHOWN], (GOOD, PANIC), lambda _, turn: HttpResponse(503))
    tries = [sent.at_s for sent in observed.sent if sent.wire.method == "POST"]
    assert tries
    assert max(tries) < 1.1
    assert observed.ends == Counter(dead_lettered=1)


def test_a_refused_hit_takes_none_of_its_neighbours_along() -> None:
    """3.0.1 sends the whole batch again for four hours (number 17)."""
    shown = [Screen(name=f"s{number}", user_id="u1", timestamp_ms=NOW_MS) for number in range(8)]
    observed = played(shown, answer=lambda request, _: HttpResponse(400 if b'"s5"' in request.body else 200))
    assert observed.ends == Counter(delivered=7, dead_lettered=1)
