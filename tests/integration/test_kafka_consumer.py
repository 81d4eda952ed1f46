"""The consumer adapter against a real broker and librdkafka's mock cluster, by both group protocols."""

import asyncio
import time
import zlib
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from connector.domain.record import Partition, Record
from connector.errors import KafkaFailed
from connector.pipeline.ahead import MOST_CHARACTERS
from connector.pipeline.commit import TOO_LARGE
from connector.pipeline.consume import Mark, Orders, OutOfRange
from connector.pipeline.start import Back, Earliest, Latest, OnOutOfRange, Since, StartFrom
from tests.doubles.kafka import MockCluster, committed, produce
from tests.integration.members import FailingStarts, Member, fresh, log_end, until
from tests.services.kafka import Kafka

pytestmark = pytest.mark.slow

both = pytest.mark.parametrize("protocol", ["classic", "consumer"])
HOUR_MS = 3_600_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def note(kafka: Kafka, topic: str, count: int = 1) -> str:
    """The note of a commit: how many partitions there were, and which log by a checksum of the cluster and its id."""
    return f"n={count},t={zlib.crc32(kafka.cluster_id.encode()):08x}{kafka.topic_id(topic)}"


def remade(kafka: Kafka, topic: str) -> bool:
    """Make a topic, once the broker has done with the one that was deleted."""
    try:
        kafka.create_topic(topic)
    except KafkaException as refused:
        assert refused.args[0].code() in (KafkaError.TOPIC_ALREADY_EXISTS, KafkaError.UNKNOWN_TOPIC_OR_PART), refused
        return False
    return True


@both
@pytest.mark.parametrize(
    ("start_from", "expected"),
    [
        (lambda now: Earliest(), 0),
        (lambda now: Latest(), 9),
        (lambda now: Since(now - 3 * HOUR_MS), 3),
        (lambda now: Since(now + HOUR_MS), 9),
        (lambda now: Back(1.5 * 3600), 6),
    ],
    ids=["earliest", "latest", "since", "since-the-future", "back"],
)
def test_a_new_group_starts_where_it_is_told(
    kafka_cluster: Kafka, protocol: str, start_from: Callable[[int], StartFrom], expected: int
) -> None:
    topic, group, now = kafka_cluster.create_topic(fresh("start")), fresh("group"), now_ms()
    for hours in (5, 2, 1):
        produce(kafka_cluster.bootstrap, topic, 0, [b"x"] * 3, timestamp_ms=now - hours * HOUR_MS)

    async def run() -> None:
        member = Member(kafka_cluster.bootstrap, group, topic, protocol=protocol, start_from=start_from(now))
        await until(lambda: bool(member.owns), member)
        assert member.owns == {Partition(topic, 0): expected}
        assert member.owner.cluster_id.startswith("connector-tests-")
        assert committed(kafka_cluster.bootstrap, group, topic, 1) == {0: (expected, note(kafka_cluster, topic))}
        await until(lambda: bool(member.ends), member)
        assert member.offsets(Partition(topic, 0)) == list(range(expected, 9))
        await member.close()

    asyncio.run(run())


@both
def test_a_partition_added_later_is_read_from_its_beginning(kafka_cluster: Kafka, protocol: str) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("added")), fresh("group"), kafka_cluster.bootstrap
    produce(bootstrap, topic, 0, [b"x"] * 5)

    async def run() -> None:
        first = Member(bootstrap, group, topic, protocol=protocol, start_from=Latest())
        await until(lambda: bool(first.owns), first)
        await first.close()
        kafka_cluster.add_partitions(topic, 2)
        produce(bootstrap, topic, 1, [b"y"] * 4)
        second = Member(bootstrap, group, topic, protocol=protocol, start_from=Latest())
        await until(lambda: len(second.owns) == 2, second)
        assert second.owns == {Partition(topic, 0): 5, Partition(topic, 1): 0}
        kept = note(kafka_cluster, topic)
        assert committed(bootstrap, group, topic, 2) == {0: (5, kept), 1: (0, kept)}
        await second.close()

    asyncio.run(run())


@both
def test_members_that_start_together_all_start_at_the_end(kafka_cluster: Kafka, protocol: str) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("pair"), 4), fresh("group"), kafka_cluster.bootstrap
    for number in range(4):
        produce(bootstrap, topic, number, [b"x"] * (number + 1))

    async def run() -> None:
        pair = [Member(bootstrap, group, topic, protocol=protocol, start_from=Latest()) for _ in range(2)]
        await until(lambda: all(len(member.owns) == 2 for member in pair), *pair)
        starts = pair[0].owns | pair[1].owns
        assert starts == {Partition(topic, number): number + 1 for number in range(4)}
        assert not pair[0].records and not pair[1].records
        for member in pair:
            await member.close()

    asyncio.run(run())


@both
def test_a_partition_beside_commits_of_others_is_read_from_its_beginning(kafka_cluster: Kafka, protocol: str) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("mixed"), 2), fresh("group"), kafka_cluster.bootstrap
    for number in range(2):
        produce(bootstrap, topic, number, [b"x"] * 4)
    _commit_as_others_do(bootstrap, group, topic, 0, 3)

    async def run() -> None:
        member = Member(bootstrap, group, topic, protocol=protocol, start_from=Latest())
        await until(lambda: len(member.owns) == 2, member)
        assert member.owns == {Partition(topic, 0): 3, Partition(topic, 1): 0}
        await member.close()

    asyncio.run(run())


@both
def test_records_come_byte_for_byte_and_in_order(kafka_cluster: Kafka, protocol: str) -> None:
    topic, bootstrap = kafka_cluster.create_topic(fresh("bytes")), kafka_cluster.bootstrap
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(
        topic, b"\x00v", b"k", headers=[("a", b"1"), ("a", None), ("b", b"\xff")], timestamp=1_700_000_000_000
    )
    producer.produce(topic, None, None, timestamp=1_700_000_000_001)
    producer.flush(10)

    async def run() -> list[Record]:
        member = Member(bootstrap, fresh("group"), topic, protocol=protocol)
        await until(lambda: len(member.records) == 2, member)
        await member.close()
        return member.records

    headers = (("a", b"1"), ("a", None), ("b", b"\xff"))
    assert asyncio.run(run()) == [
        Record(Partition(topic, 0), 0, 1_700_000_000_000, b"k", b"\x00v", headers, leader_epoch=0),
        Record(Partition(topic, 0), 1, 1_700_000_000_001, None, None, leader_epoch=0),
    ]


@both
def test_stored_offsets_are_committed_and_keep_their_note(kafka_cluster: Kafka, protocol: str) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("store")), fresh("group"), kafka_cluster.bootstrap
    produce(bootstrap, topic, 0, [b"x"] * 5)
    partition = Partition(topic, 0)

    async def run() -> None:
        member = Member(bootstrap, group, topic, protocol=protocol)
        await until(lambda: len(member.records) == 5, member)
        await member.poll(Orders(store={partition: Mark(4), Partition(topic, 7): Mark(1)}))
        await until(lambda: any(report.offsets.get(partition) == 4 for report in member.commits), member)
        assert committed(bootstrap, group, topic, 1) == {0: (4, note(kafka_cluster, topic))}
        await member.close()

    asyncio.run(run())


@both
def test_what_is_resolved_above_an_offset_is_committed_anew_where_the_offset_stays(
    kafka_cluster: Kafka, protocol: str
) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("ahead")), fresh("group"), kafka_cluster.bootstrap
    produce(bootstrap, topic, 0, [b"x"] * 5)
    partition = Partition(topic, 0)

    async def run() -> None:
        first = Member(bootstrap, group, topic, protocol=protocol)
        await until(lambda: len(first.records) == 5, first)
        assert {one.leader_epoch for one in first.records} == {0}
        for text in ("", "at the start", "of the same offset", "and again"):
            await first.poll(Orders(store={partition: Mark(2, text)}))
            metadata = note(kafka_cluster, topic) + (f";{text}" if text else "")
            await until(lambda: committed(bootstrap, group, topic, 1) == {0: (2, metadata)}, first)  # noqa: B023
        first.owner.drained = {partition: Mark(2, "at the end")}
        await first.close()
        assert committed(bootstrap, group, topic, 1) == {0: (2, f"{note(kafka_cluster, topic)};at the end")}
        second = Member(bootstrap, group, topic, protocol=protocol)
        await until(lambda: partition in second.owns, second)
        assert (second.owns[partition], second.owner.ahead[partition]) == (2, "at the end")
        await second.close()

    asyncio.run(run())


def test_metadata_beyond_the_brokers_bound_are_refused_by_a_kind_of_its_own(kafka_cluster: Kafka) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("long")), fresh("group"), kafka_cluster.bootstrap
    produce(bootstrap, topic, 0, [b"x"])
    partition = Partition(topic, 0)

    async def run() -> None:
        member = Member(bootstrap, group, topic)
        await until(lambda: len(member.records) == 1, member)
        await member.poll(Orders(store={partition: Mark(1, "x" * 4096)}))
        await until(lambda: any(one.kind == TOO_LARGE for one in member.commits), member)
        await member.poll(Orders(store={partition: Mark(1, "x" * MOST_CHARACTERS)}))
        await until(lambda: committed(bootstrap, group, topic, 1)[0][0] == 1, member)
        await member.close()

    asyncio.run(run())


def test_a_group_that_is_set_back_by_kafkas_own_tool_tells_nothing_of_offsets_above(kafka_cluster: Kafka) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("reset")), fresh("group"), kafka_cluster.bootstrap
    produce(bootstrap, topic, 0, [b"x"] * 5)
    partition = Partition(topic, 0)

    async def run() -> None:
        first = Member(bootstrap, group, topic)
        await until(lambda: len(first.records) == 5, first)
        first.owner.drained = {partition: Mark(2, "above")}
        await first.close()
        to = ("--topic", topic, "--reset-offsets", "--to-offset", "1", "--execute")
        kafka_cluster.tool("consumer.group.ConsumerGroupCommand", "--group", group, *to)
        assert committed(bootstrap, group, topic, 1) == {0: (1, None)}

    asyncio.run(run())


@both
@pytest.mark.parametrize("where", ["broker", "mock"])
def test_the_next_member_starts_at_the_offsets_a_revoke_returned(
    request: pytest.FixtureRequest, protocol: str, where: str
) -> None:
    if where == "broker":
        cluster: Kafka = request.getfixturevalue("kafka_cluster")
        bootstrap, topic = cluster.bootstrap, cluster.create_topic(fresh("revoke"), 4)
    else:
        mock: MockCluster = request.getfixturevalue("mock")
        bootstrap, topic = mock.bootstrap, mock.create_topic(fresh("revoke"))
    for number in range(4):
        produce(bootstrap, topic, number, [b"x"] * 9)
    everything = {Partition(topic, number): Mark(3 + number) for number in range(4)}

    async def run() -> None:
        group = fresh("group")
        first = Member(bootstrap, group, topic, protocol=protocol)
        first.owner.drained = everything
        await until(lambda: len(first.owns) == 4, first)
        second = Member(bootstrap, group, topic, protocol=protocol)
        await until(lambda: len(first.owns) == 2 and len(second.owns) == 2, first, second)
        assert first.owner.revokes == [set(second.owns)]
        assert second.owns == {one: everything[one].offset for one in second.owns}
        await first.close()
        await until(lambda: len(second.owns) == 4, second)
        assert second.owns == {one: mark.offset for one, mark in everything.items()}
        await second.close()

    asyncio.run(run())


@both
def test_a_lost_partition_stores_nothing(kafka_cluster: Kafka, protocol: str) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("lost")), fresh("group"), kafka_cluster.bootstrap
    produce(bootstrap, topic, 0, [b"x"] * 5)
    partition = Partition(topic, 0)

    async def run() -> None:
        idle = Member(bootstrap, group, topic, protocol=protocol, properties={"max.poll.interval.ms": 6000})
        idle.owner.drained = {partition: Mark(5)}
        await until(lambda: bool(idle.owns), idle)
        # Polls of the other member alone: the idle one exceeds its interval and leaves.
        other = Member(bootstrap, group, topic, protocol=protocol)
        await until(lambda: partition in other.owns, other)
        await until(lambda: bool(idle.owner.losses), idle, other)
        assert idle.owner.losses == [{partition}] and not idle.owner.revokes
        assert "_max_poll_exceeded" in idle.errors
        assert committed(bootstrap, group, topic, 1) == {0: (0, note(kafka_cluster, topic))}
        await idle.close()
        await other.close()

    asyncio.run(run())


@both
def test_the_end_of_a_log_lies_behind_its_control_records(kafka_cluster: Kafka, protocol: str) -> None:
    topic, bootstrap = kafka_cluster.create_topic(fresh("control")), kafka_cluster.bootstrap
    partition = Partition(topic, 0)
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": fresh("tx")})
    producer.init_transactions(30)
    for count, finish in ((3, producer.commit_transaction), (2, producer.abort_transaction)):
        producer.begin_transaction()
        for _ in range(count):
            producer.produce(topic, b"x", partition=0)
        producer.flush(10)
        finish(30)

    async def run() -> None:
        group = fresh("group")
        member = Member(bootstrap, group, topic, protocol=protocol)
        # 3 records, a commit marker, 2 aborted records, an abort marker.
        await until(lambda: member.ends.get(partition) == 7, member)
        assert member.offsets(partition) == [0, 1, 2]
        assert log_end(bootstrap, partition) == 7
        await member.poll(Orders(store={one: Mark(end) for one, end in member.ends.items()}))
        await member.close()
        assert committed(bootstrap, group, topic, 1) == {0: (7, note(kafka_cluster, topic))}

    asyncio.run(run())


def _commit_as_others_do(bootstrap: str, group: str, topic: str, number: int, offset: int, metadata: str = "") -> None:
    other = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    other.commit(offsets=[TopicPartition(topic, number, offset, metadata=metadata)], asynchronous=False)
    other.close()


@both
def test_an_offset_that_retention_passed_halts_its_partition_alone(kafka_cluster: Kafka, protocol: str) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("range"), 2), fresh("group"), kafka_cluster.bootstrap
    for number in range(2):
        produce(bootstrap, topic, number, [b"x"] * 8)
        _commit_as_others_do(bootstrap, group, topic, number, 2)
    kafka_cluster.delete_records(topic, 0, before=5)

    async def run() -> None:
        member = Member(bootstrap, group, topic, protocol=protocol)
        await until(lambda: len(member.offsets(Partition(topic, 1))) == 6 and bool(member.out_of_range), member)
        assert member.out_of_range == [OutOfRange(Partition(topic, 0), 2)]
        assert member.offsets(Partition(topic, 0)) == []
        await member.close()
        assert committed(bootstrap, group, topic, 1)[0][0] == 2

    asyncio.run(run())


@both
@pytest.mark.parametrize(("policy", "expected"), [("earliest", [5, 6, 7]), ("latest", [])])
def test_a_policy_resumes_what_retention_passed(
    kafka_cluster: Kafka, protocol: str, policy: OnOutOfRange, expected: list[int]
) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("resume")), fresh("group"), kafka_cluster.bootstrap
    produce(bootstrap, topic, 0, [b"x"] * 8)
    _commit_as_others_do(bootstrap, group, topic, 0, 2)
    kafka_cluster.delete_records(topic, 0, before=5)
    partition = Partition(topic, 0)

    async def run() -> None:
        member = Member(bootstrap, group, topic, protocol=protocol, on_out_of_range=policy)
        await until(lambda: member.ends.get(partition) == 8, member)
        assert member.offsets(partition) == expected
        assert member.out_of_range == [] and member.owner.revokes == []
        await member.close()

    asyncio.run(run())


@both
@pytest.mark.parametrize(("policy", "start"), [("earliest", 0), ("latest", 3)])
def test_a_log_that_ends_before_the_commit_is_begun_anew_and_the_choice_committed(
    kafka_cluster: Kafka, protocol: str, policy: OnOutOfRange, start: int
) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("anew")), fresh("group"), kafka_cluster.bootstrap
    produce(bootstrap, topic, 0, [b"x"] * 3)
    _commit_as_others_do(bootstrap, group, topic, 0, 100)
    partition = Partition(topic, 0)

    async def run() -> None:
        member = Member(bootstrap, group, topic, protocol=protocol, on_out_of_range=policy)
        await until(lambda: member.ends.get(partition) == 3, member)
        assert member.offsets(partition) == [0, 1, 2][start:]
        assert member.owner.revokes == [{partition}] and member.owns == {partition: start}
        await member.close()
        assert committed(bootstrap, group, topic, 1)[0][0] == start

    asyncio.run(run())


@both
@pytest.mark.parametrize(("policy", "read_again"), [("earliest", True), ("halt", False)])
@pytest.mark.shows("K14")
def test_a_longer_log_of_a_topic_made_anew_is_not_read_on_by_an_offset_of_the_old_one(
    kafka_cluster: Kafka, protocol: str, policy: OnOutOfRange, read_again: bool
) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("longer")), fresh("group"), kafka_cluster.bootstrap
    produce(bootstrap, topic, 0, [b"old"] * 3)
    partition, old = Partition(topic, 0), note(kafka_cluster, topic)

    async def run() -> None:
        often = {"topic.metadata.refresh.interval.ms": 1000}
        member = Member(bootstrap, group, topic, protocol=protocol, on_out_of_range=policy, properties=often)
        await until(lambda: len(member.records) == 3, member)
        await member.poll(Orders(store={partition: Mark(3)}))
        await until(lambda: committed(bootstrap, group, topic, 1) == {0: (3, old)}, member)
        kafka_cluster.delete_topic(topic)
        await until(lambda: remade(kafka_cluster, topic), member)
        fresh_ones = [b"new%d" % number for number in range(8)]
        produce(bootstrap, topic, 0, fresh_ones)
        new = note(kafka_cluster, topic)
        if read_again:
            await until(lambda: [one.value for one in member.records][-8:] == fresh_ones, member)
            assert member.owns == {partition: 0} and member.out_of_range == []
            assert (member.owner.revokes, member.owner.losses) in (([{partition}], []), ([], [{partition}]))
            await until(lambda: committed(bootstrap, group, topic, 1) == {0: (0, new)}, member)
        else:
            # A member that saw the topic go was given it anew, without a commit: it begins at the start.
            await until(lambda: bool(member.out_of_range) or member.offsets(partition)[-8:] == list(range(8)), member)
            assert member.out_of_range in ([], [OutOfRange(partition, 3, anew=True)])
        await member.close()
        again = Member(bootstrap, group, topic, protocol=protocol, on_out_of_range="earliest")
        await until(lambda: len(again.records) == 8, again)
        assert again.offsets(partition) == list(range(8))
        await again.close()

    asyncio.run(run())


@pytest.mark.shows("K14")
def test_a_topic_that_comes_back_after_its_partitions_were_given_up_is_read_from_its_start(
    kafka_cluster: Kafka,
) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("back")), fresh("group"), kafka_cluster.bootstrap
    produce(bootstrap, topic, 0, [b"old"] * 3)
    partition = Partition(topic, 0)

    async def run() -> None:
        often = {"topic.metadata.refresh.interval.ms": 1000}
        # What comes after the group has begun is read, wherever new groups begin. Only by the classic protocol are
        # partitions given up for want of their topic.
        member = Member(bootstrap, group, topic, start_from=Latest(), properties=often)
        await until(lambda: member.owns == {partition: 3}, member)
        await until(lambda: any(report.offsets.get(partition) == 3 for report in member.commits), member)
        kafka_cluster.delete_topic(topic)
        await until(lambda: member.owns == {}, member)
        await until(lambda: remade(kafka_cluster, topic), member)
        produce(bootstrap, topic, 0, [b"new"] * 2)
        await until(lambda: member.offsets(partition) == [0, 1], member)
        assert committed(bootstrap, group, topic, 1) == {0: (0, note(kafka_cluster, topic))}
        await member.close()

    asyncio.run(run())


@both
@pytest.mark.shows("K14")
def test_a_commit_of_a_topic_made_anew_halts_its_partition_from_the_start(kafka_cluster: Kafka, protocol: str) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("gone"), 2), fresh("group"), kafka_cluster.bootstrap
    for number in range(2):
        produce(bootstrap, topic, number, [b"x"] * 8)
    kept = note(kafka_cluster, topic, 2)
    gone = kept[:-4] + "AAAA"
    _commit_as_others_do(bootstrap, group, topic, 0, 2, gone)
    _commit_as_others_do(bootstrap, group, topic, 1, 2, kept)
    halted, other = Partition(topic, 0), Partition(topic, 1)

    async def run() -> None:
        member = Member(bootstrap, group, topic, protocol=protocol)
        await until(lambda: len(member.offsets(other)) == 6 and bool(member.out_of_range), member)
        assert member.out_of_range == [OutOfRange(halted, 2, anew=True)]
        await member.poll(Orders(pause=[halted, other]))
        await member.poll(Orders(resume=[halted, other]))
        produce(bootstrap, topic, 1, [b"x"])
        await until(lambda: len(member.offsets(other)) == 7, member)
        assert member.offsets(halted) == []
        await member.close()
        assert committed(bootstrap, group, topic, 2) == {0: (2, gone), 1: (2, kept)}

    asyncio.run(run())


@both
def test_a_paused_partition_waits_while_others_go_on(kafka_cluster: Kafka, protocol: str) -> None:
    topic, bootstrap = kafka_cluster.create_topic(fresh("pause"), 2), kafka_cluster.bootstrap
    still, moving = Partition(topic, 0), Partition(topic, 1)

    async def run() -> None:
        member = Member(bootstrap, fresh("group"), topic, protocol=protocol)
        await until(lambda: len(member.ends) == 2, member)
        await member.poll(Orders(pause=[still]))
        for number in range(2):
            produce(bootstrap, topic, number, [b"x"] * 5)
        await until(lambda: len(member.offsets(moving)) == 5, member)
        assert member.offsets(still) == []
        await member.poll(Orders(resume=[still]))
        await until(lambda: member.offsets(still) == [0, 1, 2, 3, 4], member)
        await member.close()

    asyncio.run(run())


@both
def test_a_partition_paused_when_revoked_flows_when_it_comes_back(kafka_cluster: Kafka, protocol: str) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("back"), 2), fresh("group"), kafka_cluster.bootstrap

    async def run() -> None:
        member = Member(bootstrap, group, topic, protocol=protocol)
        await until(lambda: len(member.ends) == 2, member)
        await member.poll(Orders(pause=list(member.owns)))
        for number in range(2):
            produce(bootstrap, topic, number, [b"x"] * 5)
        guest = Member(bootstrap, group, topic, protocol=protocol)
        await until(lambda: len(guest.owns) == 1 and len(member.owns) == 1, member, guest)
        (kept,), (moved,) = member.owns, guest.owns
        guest.owner.drained = {moved: Mark(2)}
        await guest.close()
        await until(lambda: len(member.owns) == 2, member)
        await until(lambda: member.offsets(moved) == [2, 3, 4], member)
        assert member.offsets(kept) == []
        await member.close()

    asyncio.run(run())


@both
@pytest.mark.parametrize("failures", [1, 3])
def test_a_start_the_broker_cannot_tell_yet_is_waited_for(kafka_cluster: Kafka, protocol: str, failures: int) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("later")), fresh("group"), kafka_cluster.bootstrap
    produce(bootstrap, topic, 0, [b"x"] * 5)
    partition = Partition(topic, 0)

    async def run() -> None:
        starts = FailingStarts(failures, bootstrap)
        member = Member(bootstrap, group, topic, protocol=protocol, starts=starts)
        await until(lambda: starts.failures < failures, member)
        assert member.owns == {} and member.records == []
        await until(lambda: member.offsets(partition) == [0, 1, 2, 3, 4], member)
        assert member.owns == {partition: 0}
        assert committed(bootstrap, group, topic, 1) == {0: (0, note(kafka_cluster, topic))}
        await member.close()

    asyncio.run(run())


def test_a_revoke_past_its_deadline_stores_nothing(kafka_cluster: Kafka) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("hang")), fresh("group"), kafka_cluster.bootstrap
    produce(bootstrap, topic, 0, [b"x"] * 5)
    partition = Partition(topic, 0)

    async def run() -> None:
        member = Member(bootstrap, group, topic, drain_s=-4.0)
        member.owner.drained = {partition: Mark(5)}
        member.owner.at_revoke = asyncio.Event().wait
        await until(lambda: len(member.records) == 5, member)
        await asyncio.wait_for(member.close(), 10)
        assert member.owner.revokes == [{partition}]
        assert committed(bootstrap, group, topic, 1) == {0: (0, note(kafka_cluster, topic))}

    asyncio.run(run())


def test_an_owner_that_fails_ends_the_consumer_at_its_next_poll(kafka_cluster: Kafka) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("fails"), 2), fresh("group"), kafka_cluster.bootstrap

    async def fail() -> None:
        raise KeyError("the owner's own mistake")

    async def run() -> None:
        member = Member(bootstrap, group, topic)
        member.owner.at_revoke = fail
        await until(lambda: len(member.owns) == 2, member)
        guest = Member(bootstrap, group, topic)
        with pytest.raises(KafkaFailed, match="revoke: KeyError"):
            await until(lambda: False, member, guest)
        await member.close()
        await guest.close()

    asyncio.run(run())


@both
def test_of_two_members_with_one_instance_id_one_fails(kafka_cluster: Kafka, protocol: str) -> None:
    topic, group, bootstrap = kafka_cluster.create_topic(fresh("static")), fresh("group"), kafka_cluster.bootstrap

    async def run() -> None:
        pair = [
            Member(bootstrap, group, topic, protocol=protocol, properties={"group.instance.id": "one"})
            for _ in range(2)
        ]
        await until(lambda: bool(pair[0].owns), pair[0])
        with pytest.raises(KafkaFailed, match="instance"):
            await until(lambda: False, *pair)
        for member in pair:
            await member.close()

    asyncio.run(run())


@both
def test_statistics_tell_the_log_ends(kafka_cluster: Kafka, protocol: str) -> None:
    topic, bootstrap = kafka_cluster.create_topic(fresh("figures")), kafka_cluster.bootstrap
    produce(bootstrap, topic, 0, [b"x"] * 6)

    async def run() -> None:
        member = Member(bootstrap, fresh("group"), topic, protocol=protocol, properties={"statistics.interval.ms": 200})

        def told() -> bool:
            return member.statistics is not None and member.statistics.log_ends.get(Partition(topic, 0)) == 6

        await until(told, member)
        assert member.statistics is not None
        assert list(member.statistics.broker_rtt_s) == ["1"]
        assert 0 < member.statistics.broker_rtt_s["1"] < 5
        await member.close()

    asyncio.run(run())


@both
def test_callbacks_that_follow_an_assignment_find_the_client_whole(kafka_cluster: Kafka, protocol: str) -> None:
    topic, bootstrap = kafka_cluster.create_topic(fresh("busy"), 8), kafka_cluster.bootstrap

    async def run() -> None:
        # Figures every millisecond: some are told in the very consume() that told of the partitions.
        member = Member(bootstrap, fresh("group"), topic, protocol=protocol, properties={"statistics.interval.ms": 1})
        await until(lambda: len(member.owns) == 8 and len(member.ends) == 8, member)
        await member.close()

    asyncio.run(run())


def test_a_broker_that_is_away_is_a_passing_error() -> None:
    async def run() -> None:
        member = Member("127.0.0.1:1", "group", "topic")
        await until(lambda: "_transport" in member.errors, member)
        await asyncio.wait_for(member.close(), 20)

    asyncio.run(run())


def test_a_property_the_client_refuses_is_named_without_its_value() -> None:
    async def run() -> None:
        member = Member(
            "127.0.0.1:1", "group", "topic", properties={"sasl.mechanism": "s3cret", "security.protocol": "x"}
        )
        with pytest.raises(KafkaFailed) as failed:
            await member.poll()
        assert "security.protocol" in str(failed.value) and "s3cret" not in str(failed.value)
        await member.close()

    asyncio.run(run())


def test_a_member_on_the_mock_cluster_reads_what_was_produced(mock: MockCluster) -> None:
    topic = mock.create_topic(fresh("mock"))
    produce(mock.bootstrap, topic, 2, [b"a", b"b"])

    async def run() -> None:
        group = fresh("group")
        member = Member(mock.bootstrap, group, topic)
        await until(lambda: len(member.records) == 2 and len(member.ends) == 4, member)
        assert [one.value for one in member.records] == [b"a", b"b"]
        assert committed(mock.bootstrap, group, topic, 4) == dict.fromkeys(range(4), (0, "n=4"))
        await member.close()

    asyncio.run(run())
