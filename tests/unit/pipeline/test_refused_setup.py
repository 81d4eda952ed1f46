"""One set-up of several is refused: its records wait and are named, the others go on, and no letter is written."""

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from connector.pipeline.options import Options
from tests.doubles.http import Answer, Sent
from tests.unit.pipeline.making import EVENT, P0, PlainSink, record
from tests.unit.pipeline.rig import Rig, play, records, seconds
from tests.unit.pipeline.test_asking import Profile

PAIRS = PlainSink(group_of=lambda name: name.split("-")[0])
FROM_S, MENDED_S = 5.0, 100.0


def revoked(group: str) -> Callable[[Sent], Answer]:
    """Refuse one key pair for a while."""

    def script(sent: Sent) -> Answer:
        refused = sent.headers["group"] == group and FROM_S <= sent.at_s < MENDED_S
        return Answer(403 if refused else 200)

    return script


def flowing(keys: Callable[[int], str]) -> Rig:
    """Have a record come every fifth of a second for two minutes, of which a key pair is refused for most."""

    async def until(rig: Rig) -> None:
        for number in range(600):
            one = record(number, keys(number).encode(), name(number).encode())
            rig.consumer.add([one])
            await asyncio.sleep(0.2)
        await asyncio.sleep(60.0)

    return play(lambda: Rig([], revoked("ios"), sink=PAIRS, starts={P0: 0}), until)


def name(number: int) -> str:
    return f"{('ios', 'android', 'web')[number % 3]}-{number}"


def delivered(rig: Rig) -> dict[str, float]:
    """Return when each was taken, by its name."""
    taken = [sent for sent in rig.http.sent if rig.http.script(sent).status == 200]
    return {body.decode(): sent.at_s for sent in taken for body in sent.bodies}


def test_records_of_a_refused_key_pair_wait_without_a_letter_while_the_others_are_delivered() -> None:
    rig = flowing(lambda number: f"k{number}")
    assert rig.producer.letters == []
    taken = delivered(rig)
    assert len(taken) == 600
    assert all(taken[name(number)] <= number * 0.2 + 2.0 for number in range(600) if number % 3)
    waited = [taken[name(number)] for number in range(600) if not number % 3 and FROM_S < number * 0.2 < MENDED_S - 1]
    assert min(waited) >= MENDED_S
    assert rig.stored[P0] == 600


def test_of_a_refused_key_pair_a_confirmation_and_probes_are_sent_and_nothing_else() -> None:
    rig = flowing(lambda number: f"k{number}")
    of_pair = [sent.at_s for sent in rig.http.sent if sent.headers["group"] == "ios"]
    refused = [at_s for at_s in of_pair if FROM_S <= at_s < MENDED_S]
    # The one that is refused, the one that confirms it, and probes 2, 4, 8, 16 and 32 s after the reply to the last.
    assert len(refused) == 2 + 5


def test_a_keys_order_holds_over_a_key_pair_that_is_refused() -> None:
    rig = flowing(lambda number: f"k{number % 2}")
    taken = [sent for sent in rig.http.sent if rig.http.script(sent).status == 200]
    numbers = [int(body.split(b"-")[1]) for sent in taken for body in sent.bodies]
    for key in (0, 1):
        assert [number for number in numbers if number % 2 == key] == list(range(key, 600, 2))


def test_readiness_names_the_endpoint_and_the_group() -> None:
    said: list[str] = []

    async def until(rig: Rig) -> None:
        await asyncio.sleep(20.0)
        said.append(rig.flow.trouble().get("vendor", ""))
        await asyncio.sleep(150.0)
        said.append(rig.flow.trouble().get("vendor", ""))

    log = records([f"{group}-{number}" for number in range(4) for group in ("ios", "web")])
    script = lambda sent: revoked("ios")(replace(sent, at_s=sent.at_s + FROM_S))  # noqa: E731
    play(lambda: Rig(log, script, sink=PAIRS), until)
    assert said == ["refuses our set-up (event ios: credentials); mend the credentials, the address or the proxy", ""]


def test_a_lone_record_of_a_refused_key_pair_waits_however_many_others_are_taken() -> None:
    names = ["ios-0"] + [f"web-{number}" for number in range(1, 200)]
    script = lambda sent: Answer(403 if sent.headers["group"] == "ios" else 200)  # noqa: E731
    rig = play(lambda: Rig(records(names), script, sink=PAIRS), seconds(600.0))
    assert rig.producer.letters == []
    assert len(delivered(rig)) == 199
    assert rig.stored.get(P0, 0) == 0
    probes = [sent.at_s for sent in rig.http.sent if sent.headers["group"] == "ios"]
    # At first, after 1, 3, 7, 15, 31 and 63 s, and then every minute.
    assert len(probes) == 1 + 6 + (600 - 63) // 60


def test_however_many_wait_the_others_are_delivered() -> None:
    # Each lane has 500 of the refused pair, of which 200 alone would fill its queue. A sink that may ask has its
    # records translated no further ahead than that.
    sink, options = replace(PAIRS, lookups=(Profile(),)), Options(letters_topic="letters", lanes=2)
    log = records([name(number) for number in range(3000)])
    script = lambda sent: Answer(403 if sent.headers["group"] == "ios" else 200)  # noqa: E731
    rig = play(lambda: Rig(log, script, sink=sink, options=options), seconds(60.0))
    assert len(delivered(rig)) == 2000
    assert rig.producer.letters == []


def test_a_403_for_the_content_of_one_record_of_a_key_pair_costs_that_record_alone() -> None:
    names = [name(number) for number in range(300)]
    script = lambda sent: Answer(403 if b"ios-150" in sent.bodies else 200)  # noqa: E731

    async def until(rig: Rig) -> None:
        offset = len(names)
        while not rig.producer.letters:
            rig.consumer.add([record(offset, b"k%d" % offset, b"ios-%d" % offset)])
            offset += 1
            await asyncio.sleep(1.0)

    rig = play(lambda: Rig(records(names), script, sink=PAIRS), until)
    assert [letter.value for letter in rig.producer.letters] == [b"ios-150"]
    assert rig.producer.noted("reason") == ["refused"]


def test_a_refused_endpoint_does_not_hold_up_another_of_the_same_credentials() -> None:
    sink = PlainSink(
        endpoints={"event": EVENT, "user": replace(EVENT, name="user")},
        goes_to=lambda name, endpoint: name.startswith(endpoint),
    )
    names = [f"{('event', 'user')[number % 2]}-{number}" for number in range(200)]
    script = lambda sent: Answer(301 if sent.to == "user" else 200)  # noqa: E731
    rig = play(lambda: Rig(records(names), script, sink=sink), seconds(30.0))
    assert rig.producer.letters == []
    assert len(delivered(rig)) == 100


def test_of_credentials_that_are_refused_everywhere_each_endpoint_sends_a_confirmation_and_probes() -> None:
    sink = PlainSink(
        endpoints={"event": EVENT, "user": replace(EVENT, name="user")},
        goes_to=lambda name, endpoint: name.startswith(endpoint),
    )
    names = [f"{('event', 'user')[number % 2]}-{number}" for number in range(200)]
    lanes = 4
    options = Options(letters_topic="letters", lanes=lanes)
    rig = play(lambda: Rig(records(names), lambda sent: Answer(401), sink=sink, options=options), seconds(60.0))
    assert rig.producer.letters == []
    first_s = min(sent.at_s for sent in rig.http.sent) + 0.1
    after = [sent for sent in rig.http.sent if sent.at_s >= first_s]
    for endpoint in ("event", "user"):
        # Of the first ones that were on their way some confirm; then probes after 1, 3, 7, 15 and 31 s.
        assert len([sent for sent in after if sent.to == endpoint]) <= 2 + 5
    assert len(rig.http.sent) <= lanes + 2 * (2 + 5)
