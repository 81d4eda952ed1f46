"""Keys that fail for ever wait without holding up the others, whatever there is of them."""

import asyncio
from collections import Counter

from msgspec.structs import replace

from connector.pipeline.judge import FAILURES_TO_SUSPECT
from connector.pipeline.options import Options
from tests.doubles.http import Answer, Sent
from tests.unit.pipeline.making import EVENT, P0, PlainSink, record
from tests.unit.pipeline.rig import Rig, play, records, seconds

ITEMS = PlainSink({"event": replace(EVENT, itemised=True)})
OPTIONS = Options(letters_topic="letters", lanes=2, max_ahead=600, park_s=600.0)
SECONDS = 300
BAD = ("a", "b")
KEYS = ["a"] * 31 + ["b"] * 19


class Choosy:
    """Fails each item of a bad key by its own verdict, and notes when it took the others."""

    def __init__(self, heals_s: float = float("inf")) -> None:
        self.took_s: dict[str, float] = {}
        self._heals_s = heals_s

    def __call__(self, sent: Sent) -> Answer:
        letters = b""
        for body in sent.bodies:
            bad = body.decode().partition("-")[0] in BAD and sent.at_s < self._heals_s
            letters += b"l" if bad else b"o"
            if not bad:
                self.took_s.setdefault(body.decode(), sent.at_s)
        return Answer(body=letters)


async def ten_a_second(rig: Rig) -> None:
    """Add ten records a second to one partition, one in five of a bad key; then wait for the rest."""
    keys = [*BAD, *(f"k{number}" for number in range(8))]
    for second in range(SECONDS):
        offsets = range(10 * second, 10 * second + 10)
        names = zip(offsets, keys, strict=True)
        rig.consumer.add([record(offset, key.encode(), f"{key}-{offset}".encode()) for offset, key in names])
        await asyncio.sleep(1.0)
    await asyncio.sleep(120.0)


def test_keys_that_fail_for_ever_never_stop_the_intake() -> None:
    """They have 600 offsets, a minute of this traffic; without a bound on them it would stand still after that."""
    vendor = Choosy()
    rig = play(lambda: Rig([], vendor, sink=ITEMS, options=OPTIONS, starts={P0: 0}), ten_a_second)
    late_s = {name: at_s - int(name.partition("-")[2]) // 10 for name, at_s in vendor.took_s.items()}
    assert len(late_s) == 8 * SECONDS
    assert max(late_s.values()) < 5.0
    assert set(rig.producer.noted("reason")) == {"exhausted"}
    assert all((letter.key or b"").decode() in BAD for letter in rig.producer.letters)
    tried = Counter(rig.http.bodies)
    assert min(tried[letter.value or b""] for letter in rig.producer.letters) >= FAILURES_TO_SUSPECT


def test_a_good_record_behind_many_that_fail_gets_five_tries_of_its_own_however_crowded_it_is() -> None:
    """`a-30` fails four times, when the 30 before it hold more of the span than parked ones may (simulation, 1028)."""
    log = records([f"a-{number}" for number in range(31)] + [f"b-{number}" for number in range(31, 50)], keys=KEYS)
    tried: Counter[bytes] = Counter()

    def script(sent: Sent) -> Answer:
        tried.update(sent.bodies)
        bad = [body[:1] == b"a" and (body != b"a-30" or tried[body] <= 4) for body in sent.bodies]
        return Answer(body=bytes(ord("l") if one else ord("o") for one in bad))

    rig = play(lambda: Rig(log, script, sink=ITEMS, options=replace(OPTIONS, max_ahead=60)), seconds(120.0))
    assert rig.producer.noted("offset") == [str(number) for number in range(30)]
    assert tried[b"a-30"] == FAILURES_TO_SUSPECT
    assert rig.stored[P0] == 50


def test_the_next_of_a_key_given_up_is_tried_at_once_and_ends_the_wait_once_it_is_taken() -> None:
    vendor = Choosy(heals_s=200.0)
    rig = play(lambda: Rig([], vendor, sink=ITEMS, options=OPTIONS, starts={P0: 0}), ten_a_second)
    given_up = {(letter.value or b"").decode() for letter in rig.producer.letters}
    for number, key in enumerate(BAD):
        names = [f"{key}-{10 * second + number}" for second in range(SECONDS)]
        taken = [name for name in vendor.took_s if name in names]
        assert taken == [name for name in names if name not in given_up]
        assert vendor.took_s[taken[0]] < 200.0 + 60.0
        assert given_up & set(names) == set(names[: len(names) - len(taken)])
    assert rig.stored[P0] == 10 * SECONDS


def test_what_is_new_has_its_turn_between_the_tries_of_parked_ones() -> None:
    """Eight keys have 15 records each, a minute of tries for the one lane, and hold more than they may."""
    took_s: dict[bytes, float] = {}

    def script(sent: Sent) -> Answer:
        took_s.update((body, sent.at_s) for body in sent.bodies if body[:1] == b"e")
        return Answer(body=bytes(ord("o") if body[:1] == b"e" else ord("l") for body in sent.bodies))

    late_s: list[float] = []

    async def until(rig: Rig) -> None:
        for offset in range(120, 180):
            rig.consumer.add([record(offset, b"e%d" % offset, b"e%d" % offset)])
            added_s = asyncio.get_running_loop().time()
            await asyncio.sleep(1.0)
            late_s.append(took_s.get(b"e%d" % offset, float("inf")) - added_s)

    log = records([f"later-{number}" for number in range(120)], keys=[f"k{number % 8}" for number in range(120)])
    play(lambda: Rig(log, script, sink=ITEMS, options=replace(OPTIONS, lanes=1, max_ahead=400)), until)
    assert len(late_s) == 60
    assert max(late_s) < 1.0
