"""Facts are kept for their time, and within a bound of bytes."""

import gc
import json
import tracemalloc
import weakref

from connector.pipeline.facts import FACT_OVERHEAD_BYTES, TIMES_ITS_REPLY, Facts
from connector.sinks.contract import Need


def need(number: int) -> Need:
    return Need("profile", f"{number:04}")


def test_a_fact_stands_for_its_time_and_may_be_none() -> None:
    facts = Facts()
    facts.keep(need(1), None, 10, now_s=0.0, until_s=60.0)
    assert facts.known(need(1), 59.9) == (None,)
    assert facts.known(need(1), 60.0) is None
    assert facts.known(need(2), 0.0) is None


def test_the_oldest_go_once_all_together_are_larger_than_the_bound() -> None:
    each = FACT_OVERHEAD_BYTES + 4 + TIMES_ITS_REPLY * 1000
    facts = Facts(most_bytes=3 * each)
    for number in range(10):
        facts.keep(need(number), b"", 1000, now_s=0.0, until_s=60.0)
    assert [number for number in range(10) if facts.known(need(number), 1.0)] == [7, 8, 9]
    assert facts.size == 3 * each


def test_facts_take_no_more_memory_than_their_bound() -> None:
    """A reply of 5 kB as decisions are: twenty campaigns of four ids and three flags each."""
    flags = {f"flag_{number}": {"value": "some value", "reference": False} for number in range(3)}
    campaign = {**{f"id_{number}": f"{number:020}" for number in range(4)}, "flags": flags}
    reply = json.dumps({"campaigns": [campaign] * 20})
    facts = Facts(most_bytes=4 << 20)
    tracemalloc.start()
    try:
        for number in range(1000):
            facts.keep(need(number), json.loads(reply), len(reply), now_s=0.0, until_s=60.0)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(facts) < 1000, "the bound is met"
    assert held <= 4 << 20


def test_a_fact_larger_than_the_bound_is_not_kept_and_costs_nothing_after() -> None:
    facts = Facts(most_bytes=10_000)
    facts.keep(need(1), b"", 1, now_s=0.0, until_s=60.0)
    facts.keep(need(2), b"", 20_000, now_s=0.0, until_s=60.0)
    assert (len(facts), facts.size) == (0, 0)


def test_a_fact_that_is_kept_anew_is_charged_once() -> None:
    facts = Facts()
    for _ in range(3):
        facts.keep(need(1), b"", 500, now_s=0.0, until_s=60.0)
    assert (len(facts), facts.size) == (1, FACT_OVERHEAD_BYTES + 4 + TIMES_ITS_REPLY * 500)


def test_a_fact_whose_time_is_over_is_forgotten_by_what_comes_after() -> None:
    class Value:
        """Something that can be told to be gone."""

    facts = Facts()
    values = [Value() for _ in range(4)]
    gone = [weakref.ref(value) for value in values]
    for number, value in enumerate(values):
        facts.keep(need(number), value, 1, now_s=0.0, until_s=60.0)
    del values, value
    for number in range(4, 6):
        facts.keep(need(number), "new", 1, now_s=61.0, until_s=121.0)
    gc.collect()
    assert [one() is None for one in gone] == [True] * 4
