"""Order per key, whatever happens to requests: lanes within a flow, in virtual time."""

import os
from collections import defaultdict
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from connector.errors import Ambiguous, NotSent
from connector.pipeline.acknowledge import RECORD_OVERHEAD_BYTES
from connector.pipeline.options import Options
from tests.doubles.clock import EPOCH_MS
from tests.doubles.http import Answer, Sent
from tests.unit.pipeline.making import EVENT, LIMITS, P0, PlainSink, record
from tests.unit.pipeline.rig import Rig, play, records, seconds

FLOWS = 1000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 30
OPTIONS = Options(letters_topic="letters", lanes=4, park_s=60.0)
ITEMS = PlainSink({"event": replace(EVENT, itemised=True)})


def names_of(keys: list[str]) -> list[str]:
    """Name the records of these keys `key-number`, numbered per key."""
    numbers: Mapping[str, list[str]] = defaultdict(list)
    names = []
    for key in keys:
        names.append(f"{key}-{len(numbers[key])}")
        numbers[key].append(names[-1])
    return names


class KeyedVendor:
    """Answers by a list of whims, then well; keeps what it took, by key."""

    def __init__(self, whims: list[str]) -> None:
        self.whims = whims
        self.taken: dict[str, list[int]] = defaultdict(list)

    def __call__(self, sent: Sent) -> Answer:
        whim = self.whims.pop(0) if self.whims else "ok"
        letters = b""
        for body in sent.bodies:
            later = whim == "some later" and body.endswith((b"0", b"2"))
            letters += b"l" if later else b"o"
            if whim in ("ok", "some later") and not later:
                key, number = body.decode().rsplit("-", 1)
                self.taken[key].append(int(number))
        answers = {
            "500": Answer(500),
            "429": Answer(429, headers={"retry-after": "3"}),
            "400": Answer(400),
            "403": Answer(403),
            "413": Answer(413),
            "unsent": Answer(error=NotSent("connect")),
            "reset": Answer(error=NotSent("reset")),
        }
        return answers.get(whim, Answer(body=letters))


KEYS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), min_size=1, max_size=40)
WHIMS = st.lists(st.sampled_from(["ok", "some later", "500", "429", "unsent", "reset", "403"]), max_size=20)


@settings(max_examples=FLOWS)
@given(KEYS, WHIMS, st.sampled_from([1, 3, 100]), st.booleans())
def test_a_keys_records_are_taken_in_order_and_once_whatever_fails(
    keys: list[str], whims: list[str], items: int, itemised: bool
) -> None:
    options = replace(OPTIONS, park_s=0.0)
    vendor = KeyedVendor([whim for whim in whims if itemised or whim != "some later"])
    names = names_of(keys)
    sink = PlainSink({"event": replace(EVENT, itemised=itemised, limits=replace(LIMITS, items=items))})
    rig = play(lambda: Rig(records(names, keys=keys), vendor, sink=sink, options=options), seconds(900.0))
    assert {key: keys.count(key) for key in set(keys)} == {key: len(taken) for key, taken in vendor.taken.items()}
    assert all(taken == sorted(taken) for taken in vendor.taken.values())
    assert rig.stored[P0] == len(keys)
    assert rig.producer.letters == []


@settings(max_examples=FLOWS)
@given(KEYS, st.lists(st.sampled_from(["ok", "400", "413", "500"]), max_size=12), st.sampled_from([3, 100]))
def test_what_is_refused_becomes_a_letter_and_nothing_is_lost(keys: list[str], whims: list[str], items: int) -> None:
    vendor = KeyedVendor(whims)
    names = names_of(keys)
    sink = PlainSink({"event": replace(EVENT, limits=replace(LIMITS, items=items))})
    options = replace(OPTIONS, guard=False)
    rig = play(lambda: Rig(records(names, keys=keys), vendor, sink=sink, options=options), seconds(900.0))
    taken = [f"{key}-{number}" for key, numbers in vendor.taken.items() for number in numbers]
    lettered = [(letter.value or b"").decode() for letter in rig.producer.letters]
    assert sorted(taken + lettered) == sorted(names)
    assert all(numbers == sorted(numbers) for numbers in vendor.taken.values())
    assert rig.stored[P0] == len(keys)


def test_a_lane_has_one_request_in_flight_and_all_lanes_together_as_many_as_there_are() -> None:
    sink = PlainSink({"event": replace(EVENT, limits=replace(LIMITS, items=1))})
    rig = play(lambda: Rig(records([f"e{n}" for n in range(200)]), sink=sink, options=OPTIONS), seconds(60.0))
    assert rig.http.most_open == 4
    assert len(rig.http.bodies) == 200


def test_what_merges_waits_for_company_even_where_a_request_holds_one_item() -> None:
    sink = PlainSink({"event": replace(EVENT, limits=replace(LIMITS, items=1, members=5))}, merges=True)
    keys = ["a"] * 7 + ["b"]
    rig = play(lambda: Rig(records(names_of(keys), keys=keys), sink=sink), seconds(5.0))
    sent = sorted(sent.bodies for sent in rig.http.sent)
    assert sent == [(b"a-0", b"a-1", b"a-2", b"a-3", b"a-4"), (b"a-5", b"a-6"), (b"b-0",)]


def test_a_record_is_charged_what_was_made_of_it_its_head_included() -> None:
    charged: list[int] = []

    async def until(rig: Rig) -> None:
        await seconds(1.0)(rig)
        charged.append(rig.flow.ledger.holdings[P0].size)

    sink = PlainSink(merges=True)
    play(lambda: Rig(records(["a-0"], keys=["user"]), lambda sent: Answer(500), sink=sink), until)
    # A key, a value, a body like the value and a head like the key.
    assert charged == [RECORD_OVERHEAD_BYTES + 4 + 3 + 3 + 4]


def test_a_key_that_fails_waits_alone_and_in_order() -> None:
    """`a-0` fails for 30 s; what follows of its key comes after it, all others before."""
    done: list[bytes] = []

    def script(sent: Sent) -> Answer:
        letters = b""
        for body in sent.bodies:
            later = body == b"a-0" and sent.at_s < 30.0
            letters += b"l" if later else b"o"
            done.extend([] if later else [body])
        return Answer(body=letters)

    keys = ["a", "b", "a", "c", "d", "a", "b"]
    rig = play(lambda: Rig(records(names_of(keys), keys=keys), script, sink=ITEMS), seconds(120.0))
    assert done[-3:] == [b"a-0", b"a-1", b"a-2"]
    assert set(done[:-3]) == {b"b-0", b"b-1", b"c-0", b"d-0"}
    assert rig.stored[P0] == 7


def test_a_parked_key_is_given_up_after_park_s_and_its_next_goes_on() -> None:
    done_s: dict[bytes, float] = {}

    def script(sent: Sent) -> Answer:
        letters = bytes(ord("l") if body == b"a-0" else ord("o") for body in sent.bodies)
        done_s.update((body, sent.at_s) for body in sent.bodies if body != b"a-0")
        return Answer(body=letters)

    async def until(rig: Rig) -> None:
        for offset in range(300):
            key = "a" if offset < 2 else f"k{offset}"
            name = f"a-{offset}" if offset < 2 else key
            rig.consumer.add([record(offset, key.encode(), name.encode())])
            await seconds(1.0)(rig)

    rig = play(lambda: Rig([], script, sink=ITEMS, options=OPTIONS, starts={P0: 0}), until)
    assert rig.producer.noted("reason") == ["exhausted"]
    assert done_s[b"a-1"] > 60.0
    assert rig.stored[P0] == 300


def test_records_too_old_for_the_sink_become_letters_before_they_are_sent() -> None:
    old, fresh = records(["old", "fresh"])
    old = replace(old, timestamp_ms=EPOCH_MS - 3_601_000)
    rig = play(lambda: Rig([old, fresh], options=replace(OPTIONS, max_age_s=3600.0)), seconds(5.0))
    assert rig.http.bodies == [b"fresh"]
    assert rig.producer.noted("reason") == ["expired"]
    assert rig.stored[P0] == 2


def test_age_is_looked_at_before_every_attempt() -> None:
    options = replace(OPTIONS, max_age_s=60.0)
    script = lambda sent: Answer(500 if sent.at_s < 120.0 else 200)  # noqa: E731
    rig = play(lambda: Rig(records(["a"]), script, options=options), seconds(300.0))
    assert rig.http.sent[-1].at_s < 60.0
    assert rig.producer.noted("reason") == ["expired"]


def test_a_resent_batch_has_the_same_bytes_and_counts_its_attempts() -> None:
    script = lambda sent: Answer(error=Ambiguous("reset")) if sent.headers["attempt"] != "3" else Answer()  # noqa: E731
    rig = play(lambda: Rig(records(["a", "b"], keys=["k", "k"]), script), seconds(60.0))
    assert [sent.bodies for sent in rig.http.sent] == [(b"a", b"b")] * 3
    assert [sent.headers["attempt"] for sent in rig.http.sent] == ["1", "2", "3"]


def test_by_policy_what_may_have_arrived_is_not_sent_again() -> None:
    options = replace(OPTIONS, ambiguous="dead_letter")
    script = lambda sent: Answer(error=Ambiguous("reset"))  # noqa: E731
    rig = play(lambda: Rig(records(["a"]), script, options=options, sink=PlainSink(safe=False)), seconds(60.0))
    assert len(rig.http.sent) == 1
    assert rig.producer.noted("reason") == ["ambiguous"]
    assert rig.stored[P0] == 1
