"""KAFKA_* variables: librdkafka's own properties, but for those that the guarantees rest on. Pure, but for `_FILE`."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path

from connector.environment import FILE_SUFFIX
from connector.errors import Problem

PREFIX = "KAFKA_"

REFUSED: Mapping[str, str] = {
    "enable.auto.commit": "offsets are committed by the connector, after acknowledgement",
    "enable.auto.offset.store": "offsets are stored by the connector, after acknowledgement",
    "auto.offset.reset": "set CONNECTOR_START_FROM or CONNECTOR_ON_OUT_OF_RANGE instead",
    "group.id": "set CONNECTOR_GROUP_ID instead; each sink has a group of its own below it",
    "partition.assignment.strategy": "the connector drains partition by partition, which needs cooperative-sticky",
    "isolation.level": "records of aborted transactions must not be delivered",
    "enable.partition.eof": "the connector needs it to pass control records at a log's end",
    "enable.idempotence": "dead letters are written idempotently",
    "acks": "a dead letter must be on all replicas before its offset moves",
    "auto.commit.enable": "offsets are committed by the connector, after acknowledgement",
    "offset.store.method": "offsets are kept by the broker",
    "request.required.acks": "a dead letter must be on all replicas before its offset moves",
    "delivery.report.only.error": "the report that a dead letter is written moves its offset",
    "metadata.broker.list": "set KAFKA_BOOTSTRAP_SERVERS instead",
    "sasl.jaas.config": "set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD instead",
    "ssl.truststore.location": "set KAFKA_SSL_CA_LOCATION to a PEM file instead",
    "transactional.id": "dead letters are not written in transactions",
    "allow.auto.create.topics": "a topic that is missing is an error, not something to make",
}
SECRETS = frozenset(
    {
        "sasl.password",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.client.secret",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
    }
)
# fmt: off
KNOWN = REFUSED.keys() | SECRETS | {
    "bootstrap.servers", "client.id", "client.rack", "client.dns.lookup", "security.protocol",
    "sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.kerberos.service.name",
    "sasl.kerberos.principal", "sasl.kerberos.keytab", "sasl.kerberos.kinit.cmd",
    "sasl.kerberos.min.time.before.relogin", "sasl.oauthbearer.config", "sasl.oauthbearer.method",
    "sasl.oauthbearer.client.id", "sasl.oauthbearer.client.credentials.client.id", "sasl.oauthbearer.scope",
    "sasl.oauthbearer.extensions", "sasl.oauthbearer.token.endpoint.url", "sasl.oauthbearer.grant.type",
    "sasl.oauthbearer.assertion.algorithm", "sasl.oauthbearer.assertion.claim.aud",
    "sasl.oauthbearer.assertion.claim.exp.seconds", "sasl.oauthbearer.assertion.claim.iss",
    "sasl.oauthbearer.assertion.claim.jti.include", "sasl.oauthbearer.assertion.claim.nbf.seconds",
    "sasl.oauthbearer.assertion.claim.sub", "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.jwt.template.file", "sasl.oauthbearer.assertion.private.key.file",
    "sasl.oauthbearer.metadata.authentication.type", "sasl.oauthbearer.sub.claim.name",
    "enable.sasl.oauthbearer.unsecure.jwt", "ssl.ca.location", "ssl.ca.pem", "ssl.ca.certificate.stores",
    "ssl.certificate.location", "ssl.certificate.pem", "ssl.key.location",
    "ssl.keystore.location", "ssl.cipher.suites", "ssl.curves.list",
    "ssl.sigalgs.list", "ssl.crl.location", "ssl.endpoint.identification.algorithm", "ssl.providers",
    "enable.ssl.certificate.verification", "https.ca.location", "https.ca.pem", "group.protocol",
    "group.instance.id", "group.remote.assignor", "session.timeout.ms", "heartbeat.interval.ms",
    "max.poll.interval.ms", "auto.commit.interval.ms", "fetch.min.bytes", "fetch.max.bytes",
    "fetch.wait.max.ms", "fetch.error.backoff.ms", "fetch.message.max.bytes", "max.partition.fetch.bytes",
    "queued.max.messages.kbytes", "queued.min.messages", "fetch.queue.backoff.ms", "check.crcs",
    "message.max.bytes", "receive.message.max.bytes", "message.timeout.ms", "delivery.timeout.ms", "linger.ms",
    "compression.type", "compression.codec", "compression.level", "batch.size", "batch.num.messages",
    "queue.buffering.max.ms", "queue.buffering.max.messages", "queue.buffering.max.kbytes", "retries",
    "retry.backoff.ms", "retry.backoff.max.ms", "request.timeout.ms", "socket.timeout.ms",
    "socket.keepalive.enable", "socket.nagle.disable", "socket.max.fails",
    "socket.connection.setup.timeout.ms", "socket.send.buffer.bytes", "socket.receive.buffer.bytes",
    "connections.max.idle.ms", "reconnect.backoff.ms", "reconnect.backoff.max.ms", "broker.address.family",
    "broker.address.ttl", "api.version.request", "api.version.request.timeout.ms", "metadata.max.age.ms",
    "metadata.recovery.strategy", "metadata.recovery.rebootstrap.trigger.ms",
    "topic.metadata.refresh.interval.ms", "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.sparse", "topic.metadata.propagation.max.ms", "statistics.interval.ms",
    "log_level", "debug", "log.connection.close", "enable.metrics.push", "max.in.flight",
    "max.in.flight.requests.per.connection", "message.send.max.retries", "message.copy.max.bytes",
    "enable.sparse.connections", "sticky.partitioning.linger.ms", "coordinator.query.interval.ms",
    "socket.blocking.max.ms", "ssl.engine.location", "ssl.engine.id", "plugin.library.paths",
}
# fmt: on

_INJECTED = re.compile(r"_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?$")
_CLOSE = 0.88


def read_kafka(environ: Mapping[str, str]) -> tuple[dict[str, str], list[Problem], list[str]]:
    """Return the client's properties, the problems, and warnings about what looks unlike any property.

    Shape: KAFKA_SASL_USERNAME becomes sasl.username; a secret may be given as a file's name in `<NAME>_FILE`.
    """
    properties: dict[str, str] = {}
    problems: list[Problem] = []
    warnings: list[str] = []
    for variable in sorted(name for name in environ if name.startswith(PREFIX) and not injected(name)):
        name, value = property_name(variable), environ[variable]
        if name not in KNOWN and name.endswith(".file") and name.removesuffix(".file") in SECRETS:
            name = name.removesuffix(".file")
            try:
                value = Path(value).read_text(encoding="utf-8").removesuffix("\n")
            except (OSError, UnicodeDecodeError):
                problems.append(Problem(variable, "names a file that cannot be read as text"))
                continue
            if variable.removesuffix(FILE_SUFFIX) in environ:
                problems.append(Problem(variable, f"is set beside {variable.removesuffix(FILE_SUFFIX)}; set only one"))
        if name in REFUSED:
            problems.append(Problem(variable, f"must not be set: {REFUSED[name]}"))
        elif name in KNOWN:
            properties[name] = value
        else:
            near = difflib.get_close_matches(name, KNOWN, 1, _CLOSE)
            if near:
                problems.append(
                    Problem(variable, f"is no property of the client; did you mean {variable_name(near[0])}?")
                )
            else:
                warnings.append(f"{variable} is no property of the Kafka client and is ignored")
    if not properties.get("bootstrap.servers") and not any(
        one.variable == "KAFKA_BOOTSTRAP_SERVERS" for one in problems
    ):
        problems.append(Problem("KAFKA_BOOTSTRAP_SERVERS", "must be set, for example to kafka:9092"))
    protocol = properties.get("group.protocol", "classic")
    if protocol not in ("classic", "consumer"):
        problems.append(Problem("KAFKA_GROUP_PROTOCOL", "must be classic or consumer"))
    return properties, problems, warnings


def property_name(variable: str) -> str:
    name = variable.removeprefix(PREFIX).lower()
    return name if name == "log_level" else name.replace("_", ".")


def variable_name(name: str) -> str:
    return PREFIX + name.upper().replace(".", "_")


def injected(variable: str) -> bool:
    """Whether it looks like what Kubernetes sets by itself for each service, whose name may begin like ours."""
    return _INJECTED.search(variable) is not None
