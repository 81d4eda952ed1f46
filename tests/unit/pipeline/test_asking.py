"""Questions to a vendor: paced, retried, parked and given up as deliveries are, each with its key and no other."""

import asyncio
import random
from collections.abc import Callable

import mmh3
import pytest
from msgspec.structs import replace

from connector.domain.exchange import HttpRequest
from connector.domain.record import Record
from connector.errors import Ambiguous
from connector.pipeline.options import Options
from connector.sinks.contract import Lookup, Need, StoredLookup
from tests.doubles.http import Answer, Sent
from tests.doubles.store import ShakyStore
from tests.unit.pipeline.making import P0, PlainSink, Profile, record
from tests.unit.pipeline.rig import Rig, play, seconds

OPTIONS = Options(letters_topic="letters", lanes=2, park_s=60.0)
ONE_LANE = replace(OPTIONS, lanes=1)


def needed(name: str) -> tuple[Need, ...]:
    """`ask:<whom>:...` needs a profile, `twice:<whom>:...` two."""
    kind, _, rest = name.partition(":")
    whom = rest.partition(":")[0]
    return tuple(Need("profile", f"{whom}{number}") for number in range({"ask": 1, "twice": 2}.get(kind, 0)))


def sink(lookup: Lookup | None = None) -> PlainSink:
    return PlainSink(lookups=(lookup or Profile(),), needed=needed)


def log(*names: str) -> list[Record]:
    """Make records whose key is whom they are about."""
    return [record(offset, name.split(":")[1].encode(), name.encode()) for offset, name in enumerate(names)]


def about(whom: str, answer: Answer) -> Callable[[Sent], Answer]:
    """Answer questions about one so, all else at once and well."""
    return lambda sent: (
        answer if sent.to == "profile" and sent.bodies[0].startswith(whom.encode()) else Answer(200, b"")
    )


def lane_of(whom: str) -> int:
    return mmh3.hash(whom.encode(), signed=False) % OPTIONS.lanes


def questions(rig: Rig) -> list[Sent]:
    return [sent for sent in rig.http.sent if sent.to == "profile"]


def delivered(rig: Rig) -> list[str]:
    return [body.decode() for sent in rig.http.sent if sent.to == "event" for body in sent.bodies]


def test_what_is_known_is_asked_once_and_each_key_keeps_its_order() -> None:
    names = ["ask:a:1", "say:b:1", "say:a:2", "ask:a:3", "ask:b:2", "say:a:4"]
    rig = play(lambda: Rig(log(*names), sink=sink(), options=ONE_LANE), seconds(10.0))
    assert [sent.bodies for sent in questions(rig)] == [(b"a0",), (b"b0",)]
    for whom in ("a", "b"):
        assert [name for name in delivered(rig) if f":{whom}:" in name] == [
            name for name in names if f":{whom}:" in name
        ]
    assert rig.stored[P0] == len(names)


def test_what_was_told_meanwhile_is_not_asked_again_for_another_key() -> None:
    """Simulation, seed 1."""
    both = [record(0, b"x", b"ask:a:1"), record(1, b"y", b"ask:a:2")]
    rig = play(lambda: Rig(both, sink=sink(), options=ONE_LANE), seconds(10.0))
    assert [sent.bodies for sent in questions(rig)] == [(b"a0",)]
    assert delivered(rig) == ["ask:a:1", "ask:a:2"]


def test_one_answer_may_lead_to_another_question_whose_facts_stay_together_however_short_they_stand() -> None:
    rig = play(lambda: Rig(log("twice:a:1"), sink=sink(Profile(ttl_s=0.0)), options=ONE_LANE), seconds(10.0))
    assert [sent.bodies for sent in questions(rig)] == [(b"a0",), (b"a1",)]
    assert delivered(rig) == ["twice:a:1"]


def test_a_key_whose_question_fails_for_ever_holds_up_no_other_and_is_given_up_once_others_show_it_is_to_blame() -> (
    None
):
    async def until(rig: Rig) -> None:
        for offset in range(1, 301):
            name = f"say:sick:{offset}" if offset == 5 else f"ask:k{offset}:1"
            rig.consumer.add(replace(one, offset=offset) for one in log(name))
            await asyncio.sleep(1.0)

    asked_s: dict[str, float] = {}

    def script(sent: Sent) -> Answer:
        if sent.to == "event":
            asked_s.update({body.decode(): sent.at_s for body in sent.bodies})
        return about("sick", Answer(500))(sent)

    rig = play(lambda: Rig(log("ask:sick:0"), script, sink=sink(), options=ONE_LANE), until)
    assert rig.producer.noted("reason") == ["exhausted"]
    assert rig.producer.noted("offset") == ["0"]
    assert int(rig.producer.noted("attempts")[0]) > 5
    assert max(asked_s[f"ask:k{offset}:1"] - offset for offset in range(1, 301) if offset != 5) < 3.0
    assert "say:sick:5" in delivered(rig)
    assert rig.stored[P0] == 301


def test_behind_a_question_that_was_given_up_the_next_of_its_key_does_not_wait_as_long_again() -> None:
    async def until(rig: Rig) -> None:
        for offset in range(10, 400):
            rig.consumer.add(replace(one, offset=offset) for one in log(f"ask:k{offset}:1"))
            await asyncio.sleep(1.0)

    names = [f"ask:sick:{number}" for number in range(10)]
    rig = play(lambda: Rig(log(*names), about("sick", Answer(500)), sink=sink(), options=ONE_LANE), until)
    assert rig.producer.noted("reason") == ["exhausted"] * 10
    assert rig.producer.noted("offset") == [str(number) for number in range(10)]
    assert rig.stored[P0] == 400


def test_a_wait_that_a_reply_asks_for_holds_back_every_question_and_nothing_else() -> None:
    script = lambda sent: (  # noqa: E731
        Answer(429, headers={"retry-after": "60"}) if sent.to == "profile" and sent.at_s < 1.0 else Answer()
    )
    names = [*(f"ask:k{number}:1" for number in range(8)), *(f"say:h{number}:1" for number in range(8))]
    rig = play(lambda: Rig(log(*names), script, sink=sink(), options=OPTIONS), seconds(100.0))
    asked_s = [sent.at_s for sent in questions(rig)]
    first = [at_s for at_s in asked_s if at_s < 1.0]
    assert len(first) <= OPTIONS.lanes
    assert min(set(asked_s) - set(first)) >= 60.0
    said_s = [sent.at_s for sent in rig.http.sent if sent.to == "event" and sent.bodies[0].startswith(b"say")]
    assert max(said_s) < 2.0
    assert rig.stored[P0] == len(names)
    assert rig.producer.letters == []


def test_a_question_refused_for_its_content_costs_its_record_only() -> None:
    rig = play(
        lambda: Rig(log("ask:odd:1", "ask:b:1"), about("odd", Answer(400)), sink=sink(), options=ONE_LANE), seconds(5.0)
    )
    assert (rig.producer.noted("reason"), rig.producer.noted("offset")) == (["refused"], ["0"])
    assert (rig.producer.noted("status"), rig.producer.noted("detail")) == (["400"], ["bad_request"])
    assert delivered(rig) == ["ask:b:1"]


def test_a_need_of_no_lookup_costs_its_record_only() -> None:
    made = PlainSink(lookups=(Profile(),), needed=lambda name: (Need("nobody", "u"),) if "odd" in name else ())
    rig = play(lambda: Rig(log("ask:odd:1", "say:b:1"), sink=made, options=ONE_LANE), seconds(5.0))
    assert (rig.producer.noted("reason"), delivered(rig)) == (["translator_fault"], ["say:b:1"])


def test_a_refused_set_up_stops_the_questions_alone_until_it_is_mended_and_loses_nothing() -> None:
    class Keyed(Profile, frozen=True):
        key: str = "old"

        def request(self, need: Need, now_ms: int) -> HttpRequest:
            return replace(super().request(need, now_ms), headers={"key": self.key})

    mended = False

    async def until(rig: Rig) -> None:
        nonlocal mended
        await asyncio.sleep(60.0)
        said.update(rig.flow.trouble())
        mended = True
        await asyncio.sleep(100.0)

    said: dict[str, str] = {}
    script = lambda sent: Answer(401 if sent.headers.get("key") == "old" else 200)  # noqa: E731
    names = ["ask:a:1", "ask:b:1", "say:c:1", "ask:c:2"]
    rig = play(
        lambda: Rig(
            log(*names),
            script,
            sink=sink(Keyed()),
            options=ONE_LANE,
            reload=lambda: sink(Keyed(key="new" if mended else "old")),
        ),
        until,
    )
    assert said.keys() == {"vendor"}
    assert [sent.at_s < 1.0 for sent in rig.http.sent if b"say:c:1" in sent.bodies] == [True]
    assert sorted(delivered(rig)) == sorted(names)
    assert rig.producer.letters == []


def test_a_question_does_not_outlive_the_age_of_its_record() -> None:
    options = replace(ONE_LANE, max_age_s=30.0, park_s=0.0)
    rig = play(lambda: Rig(log("ask:a:1"), about("a", Answer(500)), sink=sink(), options=options), seconds(120.0))
    assert rig.producer.noted("reason") == ["expired"]
    assert max(sent.at_s for sent in questions(rig)) <= 30.0
    assert rig.stored[P0] == 1


def test_nothing_is_asked_for_a_partition_that_was_lost() -> None:
    async def until(rig: Rig) -> None:
        await asyncio.sleep(5.0)
        await rig.consumer.lose(P0)
        asked.append(len(questions(rig)))
        await asyncio.sleep(120.0)

    asked: list[int] = []
    rig = play(lambda: Rig(log("ask:a:1", "say:a:2"), about("a", Answer(500)), sink=sink(), options=ONE_LANE), until)
    assert len(questions(rig)) == asked[0]
    assert (rig.producer.letters, delivered(rig)) == ([], [])


def test_a_drain_does_not_wait_for_a_question_that_hangs() -> None:
    hangs = Answer(delay_s=2.0, error=Ambiguous("deadline"))

    async def until(rig: Rig) -> None:
        await asyncio.sleep(30.0)
        assert await rig.consumer.revoke(P0) < 0.1

    names = ["ask:a:1", *(f"say:k{number}:1" for number in range(10))]
    rig = play(lambda: Rig(log(*names), about("a", hangs), sink=sink(), options=ONE_LANE), until)
    assert len(delivered(rig)) == 10
    assert rig.stored.get(P0, 0) == 0


def test_a_drain_does_not_wait_for_a_store_that_is_down() -> None:
    async def until(rig: Rig) -> None:
        await asyncio.sleep(30.0)
        assert await rig.consumer.revoke(P0) < 0.1

    made = PlainSink(
        lookups=(StoredLookup("visitor", "memory:", "wait"),),
        needed=lambda name: (Need("visitor", name),) if name.startswith("ask") else (),
    )
    store = ShakyStore(down_for=10**9)
    other = "b" if lane_of("a") != lane_of("b") else "c"
    names = ["ask:a:1", f"say:{other}:1"]
    rig = play(lambda: Rig(log(*names), sink=made, options=OPTIONS, open_store=lambda _: store), until)
    assert delivered(rig) == names[1:]
    assert rig.stored.get(P0, 0) == 0


def test_what_lingers_is_not_held_up_by_a_row_of_questions() -> None:
    names = ["say:h:1", *(f"ask:k{number}:1" for number in range(50))]
    rig = play(lambda: Rig(log(*names), sink=sink(), options=ONE_LANE), seconds(60.0))
    (said_s,) = (sent.at_s for sent in rig.http.sent if b"say:h:1" in sent.bodies)
    assert said_s < 0.5, "0.2 s of linger, and one question that was under way"
    assert rig.stored[P0] == len(names)


def test_questions_keep_to_the_rate_of_their_lookup() -> None:
    lookup = Profile(endpoint=replace(Profile().endpoint, rate_per_s=10.0))
    names = [f"ask:k{number}:1" for number in range(60)]
    rig = play(lambda: Rig(log(*names), sink=sink(lookup), options=replace(OPTIONS, lanes=8)), seconds(30.0))
    asked_s = [sent.at_s for sent in questions(rig)]
    assert len(asked_s) == 60
    assert asked_s[-1] - asked_s[20] >= 3.8, "39 more at 10 a second"


def test_many_questions_that_fail_for_ever_are_given_up_before_they_fill_the_budget() -> None:
    async def until(rig: Rig) -> None:
        for offset in range(2_000):
            name = f"ask:sick{offset}:1" if offset % 10 == 5 else f"ask:k{offset}:1"
            rig.consumer.add(replace(one, offset=offset) for one in log(name))
            await asyncio.sleep(0.1)
        await asyncio.sleep(600.0)

    options = replace(OPTIONS, max_ahead=400, park_s=0.0)
    rig = play(lambda: Rig([], about("sick", Answer(500)), sink=sink(), options=options, starts={P0: 0}), until)
    assert len(delivered(rig)) == 1_800
    assert set(rig.producer.noted("reason")) == {"exhausted"}


def test_a_lane_whose_store_is_down_goes_on_with_what_was_translated() -> None:
    def stored(name: str) -> tuple[Need, ...]:
        return (Need("visitor", name),) if name.startswith("ask") else ()

    store = ShakyStore(down_for=10)
    made = PlainSink(lookups=(StoredLookup("visitor", "memory:", "wait"),), needed=stored)
    rig = play(
        lambda: Rig(log("say:a:1", "ask:b:1", "say:c:1"), sink=made, options=ONE_LANE, open_store=lambda _: store),
        seconds(60.0),
    )
    sent_s = {body: sent.at_s for sent in rig.http.sent for body in sent.bodies}
    assert sent_s[b"say:a:1"] < 1.0
    assert sent_s[b"ask:b:1"] >= 10.0
    assert rig.stored[P0] == 3


@pytest.mark.parametrize("seed", range(25))
def test_whatever_becomes_of_questions_every_record_ends_once_its_turn_comes_and_no_key_is_overtaken(seed: int) -> None:
    chance = random.Random(seed)
    kinds = ("ask", "ask", "twice", "say")
    names = [f"{chance.choice(kinds)}:k{chance.randrange(12)}:{number}" for number in range(300)]
    refused: set[str] = set()

    def script(sent: Sent) -> Answer:
        """Fail a third of all requests in all ways for two minutes; refuse some questions for their content."""
        drawn = chance.random() if sent.at_s < 120.0 else 1.0
        if sent.to == "profile" and drawn < 0.02:
            refused.add(sent.bodies[0].decode()[:-1])
            return Answer(400)
        if drawn < 0.3:
            late = Answer(delay_s=2.0, error=Ambiguous("deadline"))
            return chance.choice([Answer(500), Answer(429, headers={"retry-after": "5"}), late])
        return Answer(delay_s=0.02)

    async def until(rig: Rig) -> None:
        made = log(*names)
        for offset, one in enumerate(made):
            rig.consumer.add([one])
            await asyncio.sleep(chance.random())
            if chance.random() < 0.03:
                await rig.consumer.revoke(P0)
                start = rig.stored.get(P0, 0)
                await rig.consumer.assign(P0, start, made[start : offset + 1])
        await asyncio.sleep(3_000.0)

    options = replace(OPTIONS, park_s=0.0, max_ahead=100)
    rig = play(lambda: Rig([], script, sink=sink(Profile(ttl_s=5.0)), options=options, starts={P0: 0}), until)
    lost = {(one.value or b"").decode() for one in rig.producer.letters}
    assert rig.stored[P0] == len(names)
    assert set(rig.producer.noted("reason")) <= {"refused"}
    assert {name.split(":")[1] for name in lost} <= refused
    # What was given up and came again after a rebalance may be both, a letter and delivered late.
    first_sent = [name for name in dict.fromkeys(delivered(rig)) if name not in lost]
    assert sorted(first_sent) == sorted(set(names) - lost)
    for key in {name.split(":")[1] for name in names}:
        numbers = [int(name.split(":")[2]) for name in first_sent if name.split(":")[1] == key]
        assert numbers == sorted(numbers)


def test_a_second_question_of_a_record_does_not_pay_for_what_the_first_one_cost() -> None:
    """Five failures of the first while others are answered park it; the second fails once and goes again at once."""
    failures = {"sick0": 6, "sick1": 1}

    def script(sent: Sent) -> Answer:
        about = sent.bodies[0].decode()
        if sent.to == "profile" and failures.get(about, 0):
            failures[about] -= 1
            return Answer(500)
        return Answer()

    async def until(rig: Rig) -> None:
        for offset in range(1, 120):
            rig.consumer.add(replace(one, offset=offset) for one in log(f"ask:k{offset}:1"))
            await asyncio.sleep(1.0)

    rig = play(lambda: Rig(log("twice:sick:0"), script, sink=sink(), options=replace(ONE_LANE, park_s=0.0)), until)
    asked_s = {about: [one.at_s for one in questions(rig) if one.bodies[0] == about] for about in (b"sick0", b"sick1")}
    assert (len(asked_s[b"sick0"]), len(asked_s[b"sick1"])) == (7, 2)
    assert asked_s[b"sick1"][1] - asked_s[b"sick1"][0] < 1.0, "the first wait is drawn up to half a second"
    assert rig.stored[P0] == 120
