"""One attempt, one verdict."""

import random

import pytest

from connector.domain.outcome import Delivered, Retryable, SetupFault, Undetermined
from connector.errors import Ambiguous, ConnectorError, NotSent, SetupFailed
from connector.pipeline.deliver import Attempted, Sender
from connector.sinks.contract import Verdict
from tests.doubles import clock
from tests.doubles.http import Answer, ScriptedHttp
from tests.unit.pipeline.making import PlainSink, batch_of


def attempt(answer: Answer) -> Attempted:
    async def main() -> Attempted:
        sender = Sender(ScriptedHttp(lambda sent: answer), clock.LoopClock(), random.Random(1), 900.0)
        return await sender.attempt(PlainSink(), batch_of(2), {})

    return clock.run(main())


@pytest.mark.parametrize(
    ("error", "verdict", "word"),
    [
        (NotSent("connect"), [Retryable("connect")] * 2, "retry"),
        (Ambiguous("read_timeout"), [Retryable("read_timeout", ambiguous=True)] * 2, "ambiguous"),
        (SetupFailed("tls", "expired"), SetupFault("tls", "expired"), "setup"),
    ],
)
def test_every_failure_on_the_wire_is_a_verdict(error: ConnectorError, verdict: Verdict, word: str) -> None:
    found = attempt(Answer(error=error))
    assert found.verdict == verdict
    assert (found.status, found.outcome) == (0, word)
    assert found.error


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_set_up_fault_whatever_the_sink_says(status: int) -> None:
    found = attempt(Answer(status, headers={"location": "https://elsewhere.example/"}))
    assert found.verdict == SetupFault("redirect", f"status {status}")


def test_a_reply_is_read_by_the_sink_and_timed() -> None:
    found = attempt(Answer(delay_s=0.25))
    assert (found.verdict, found.all_delivered, found.outcome) == ([Delivered()] * 2, True, "ok")
    assert found.took_s == pytest.approx(0.25, abs=0.001)
    assert found.request_bytes == len(b"0,1")


def test_what_the_reply_asks_to_wait_is_read_and_capped() -> None:
    assert attempt(Answer(503, headers={"retry-after": "7"})).retry_after_s == 7.0
    assert attempt(Answer(503, headers={"retry-after": "1000000000"})).retry_after_s == 900.0
    assert attempt(Answer(503)).retry_after_s is None


def test_a_refusal_of_content_is_a_word_of_its_own() -> None:
    found = attempt(Answer(400))
    assert (found.verdict, found.outcome) == ([Undetermined("bad_request")] * 2, "reject")


@pytest.mark.parametrize("body", [b"o", b"ooo", b"r", b"ox"])
def test_a_reply_without_just_one_outcome_for_each_item_is_ambiguous_and_counted_so(body: bytes) -> None:
    found = attempt(Answer(200, body=body))
    assert found.verdict == [Retryable("unreadable", ambiguous=True)] * 2
    assert (found.outcome, found.all_delivered) == ("ambiguous", False)
