"""A Kafka cluster (KRaft) of one or three nodes on loopback."""

import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import ElectionType, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.services.jars import kafka_jars
from tests.services.process import NotReadyError, Process, free_ports, port_open
from tests.services.wire import ALTER_REASSIGNMENTS, ask, reassignments

_LOGGING = Path(__file__).parent / "log4j2.properties"


# A second listener that asks who one is, by SCRAM, and what one may do. The first one stays open: it is the tests' own.
SECURED = {
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECURE:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "sasl.enabled.mechanisms": "SCRAM-SHA-256",
    "listener.name.secure.scram-sha-256.sasl.jaas.config": (
        "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    ),
    # A connection has to prove anew who it is, or a removed user would stay on for ever.
    "listener.name.secure.connections.max.reauth.ms": "5000",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
}


class Plan(msgspec.Struct, frozen=True):
    """What a cluster was made with; kept in its folder, for those who find it there later."""

    ports: list[int]
    controllers: list[int]


class Kafka:
    """A cluster in `folder`; made there at the first start, brought back with its data at later ones.

    Shape: nodes are numbered from 1. A single node may have a second listener on `secure_port`, see SECURED.
    """

    def __init__(
        self,
        folder: Path,
        nodes: int = 1,
        properties: Mapping[str, str] | None = None,
        secure_port: int | None = None,
    ) -> None:
        self._folder = folder
        self._properties = {**(SECURED if secure_port else {}), **(properties or {})}
        self._secure_port = secure_port
        self._admin: AdminClient | None = None
        kept = folder / "plan.json"
        if kept.exists():
            self._plan = msgspec.json.decode(kept.read_bytes(), type=Plan)
        else:
            ports = free_ports(2 * nodes)
            self._plan = Plan(ports[:nodes], ports[nodes:])
        self.nodes = {
            number: Process(f"node-{number}", folder / f"node-{number}", partial(port_open, port))
            for number, port in enumerate(self._plan.ports, 1)
        }

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self._plan.ports)

    @property
    def cluster_id(self) -> str:
        """Any 22 characters of base64; all nodes must agree on them."""
        return f"connector-tests-{self._plan.ports[0]:06d}"

    @property
    def running(self) -> bool:
        return any(node.pid is not None for node in self.nodes.values())

    def start(self) -> "Kafka":
        """Start what does not run and wait until it serves. Raises: MissingError, NotReadyError."""
        jars = kafka_jars()
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "plan.json").write_bytes(msgspec.json.encode(self._plan))
        for number, node in self.nodes.items():
            file = self._configured(number, jars)
            node.start([*_java("512m", jars), "kafka.Kafka", str(file)])
        for node in self.nodes.values():
            node.wait()
        return self

    def stop(self) -> None:
        """Stop all nodes at once: the last one of a quorum cannot finish by itself."""
        self._admin = None
        for node in self.nodes.values():
            node.ask_to_stop()
        for node in self.nodes.values():
            node.stop()

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        """Make a topic, replicated on every node, and return its name."""
        topic = NewTopic(name, partitions, len(self.nodes), config=dict(config or {}))
        _done(self.admin.create_topics([topic]))
        return name

    def delete_topic(self, name: str) -> None:
        _done(self.admin.delete_topics([name]))

    def topic_id(self, name: str) -> str:
        """Return the id that the cluster gave a topic, as Kafka writes it."""
        return str(self.admin.describe_topics(TopicCollection([name]))[name].result(30).topic_id)

    def add_partitions(self, name: str, total: int) -> None:
        _done(self.admin.create_partitions([NewPartitions(name, total)]))

    def delete_records(self, name: str, partition: int, before: int) -> None:
        """Move the log's start, as retention would."""
        _done(self.admin.delete_records([TopicPartition(name, partition, before)]))

    def elect_leaders(self, name: str, partitions: int) -> None:
        """Have the first replica of each partition lead it."""
        wanted = [TopicPartition(name, number) for number in range(partitions)]
        self.admin.elect_leaders(ElectionType.PREFERRED, wanted).result(30)

    def order_replicas(self, name: str, orders: Sequence[Sequence[int]]) -> None:
        """Give each partition's replicas in another order; the client library knows no such request."""
        ask(self._plan.ports[0], ALTER_REASSIGNMENTS, reassignments(name, orders))

    def tool(self, command: str, *arguments: str) -> None:
        """Run a program of the broker's own tools, such as `reassign.ReassignPartitionsCommand`."""
        program = [*_java("256m", kafka_jars()), f"org.apache.kafka.tools.{command}"]
        ended = subprocess.run(
            [*program, "--bootstrap-server", self.bootstrap, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr

    @property
    def admin(self) -> AdminClient:
        """One handle, kept: results of a temporary one die with it."""
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 2})
        return self._admin

    def _configured(self, number: int, jars: Path) -> Path:
        folder = self._folder / f"node-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "server.properties"
        lines = {**_properties(self._plan, number, folder / "data"), **self._properties}
        if self._secure_port:
            secure = f"SECURE://127.0.0.1:{self._secure_port}"
            lines["listeners"] += f",{secure}"
            lines["advertised.listeners"] += f",{secure}"
        file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        if not (folder / "data" / "meta.properties").exists():
            program = [*_java("256m", jars), "kafka.tools.StorageTool"]
            command = [*program, "format", "-t", self.cluster_id, "-c", str(file)]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            if ended.returncode != 0:
                raise NotReadyError(f"node {number} was not formatted:\n{(ended.stdout + ended.stderr)[-2000:]}")
        return file


def _properties(plan: Plan, number: int, data: Path) -> dict[str, str]:
    nodes = len(plan.ports)
    in_sync = "2" if nodes >= 3 else "1"
    replicas = str(nodes)
    broker = f"PLAINTEXT://127.0.0.1:{plan.ports[number - 1]}"
    return {
        "node.id": str(number),
        "process.roles": "broker,controller",
        "controller.quorum.voters": ",".join(f"{i}@127.0.0.1:{port}" for i, port in enumerate(plan.controllers, 1)),
        "controller.listener.names": "CONTROLLER",
        "listeners": f"{broker},CONTROLLER://127.0.0.1:{plan.controllers[number - 1]}",
        "advertised.listeners": broker,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": "3",
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": "3",
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "group.consumer.min.session.timeout.ms": "3000",
        "group.consumer.session.timeout.ms": "6000",
        "group.consumer.min.heartbeat.interval.ms": "500",
        "group.consumer.heartbeat.interval.ms": "500",
        "log.segment.bytes": str(64 << 20),
        "log.cleaner.dedupe.buffer.size": str(16 << 20),
        "num.network.threads": "2",
        "num.io.threads": "4",
    }


def _java(heap: str, jars: Path) -> Sequence[str]:
    options = ["-XX:+ExitOnOutOfMemoryError", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.awt.headless=true"]
    logging = f"-Dlog4j2.configurationFile={_LOGGING}"
    return ["java", f"-Xmx{heap}", *options, logging, "-cp", f"{jars}/*"]


def _done(futures: Mapping[Any, "Future[Any]"]) -> None:
    for future in futures.values():
        future.result(30)
