"""Every exception of the connector, sorted by who must act.

ConnectorError
  SettingsError            the operator: a variable is wrong; exit code 2
  BadRecord                the producer of one record: it becomes a dead letter
    Undecodable              its bytes
    Untranslatable           its content, for one sink
  SchemaUnavailable        nobody yet: the registry cannot be asked now
  SchemaMissing            the producer: the registry does not know the id
  SchemaChanged            the operator of the registry: an id means another schema than it did
  NotSent                  the vendor's side: the request never left, sending again is safe
  Ambiguous                the vendor's side: the request left, its fate is unknown
  SetupFailed              the operator: TLS, address or proxy
  KafkaFailed              the operator of Kafka: a fatal client error
  FeedFailed               the vendor's side: a polled file or token could not be renewed
  StoreFailed              the operator of a store of saved values: it does not answer
  WriteFailed              the operator of Kafka: the broker did not take a record of ours
  SchemaRefused            the operator of the registry: it does not take a schema of ours
"""

from msgspec import Struct


class ConnectorError(Exception):
    """Base of all."""


class Problem(Struct, frozen=True):
    """One wrong variable and what to do about it; never its value where it is a secret."""

    variable: str
    message: str


class SettingsError(ConnectorError):
    """Settings that cannot work, all of them at once."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(f"{problem.variable}: {problem.message}" for problem in problems))


class BadRecord(ConnectorError):
    """One record that can never be delivered.

    `reason` is one of a closed list and becomes a label; `detail` names a field or a rule, never its content.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class Undecodable(BadRecord):
    """Its bytes are not an event of ours."""


class Untranslatable(BadRecord):
    """It holds nothing this sink could take; `detail` names the field."""


class SchemaUnavailable(ConnectorError):
    """The registry did not answer, or not with a schema; ask again later."""


class SchemaMissing(ConnectorError):
    """The registry answered that it does not know this id."""


class SchemaChanged(ConnectorError):
    """The registry answers an id with another schema than the one kept on disk: they are not of one registry."""


class NotSent(ConnectorError):
    """No byte of the body left, or the vendor closed an idle connection; `kind` as in http_errors_total."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(f"request not sent: {kind}")


class Ambiguous(ConnectorError):
    """The body was sent and no whole reply came; `kind` as in http_errors_total."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(f"no reply to a request that was sent: {kind}")


class SetupFailed(ConnectorError):
    """The connection cannot be made with these settings; `kind` as in http_errors_total."""

    def __init__(self, kind: str, detail: str = "") -> None:
        self.kind = kind
        self.detail = detail
        super().__init__(f"{kind}: {detail}" if detail else kind)


class KafkaFailed(ConnectorError):
    """The Kafka client reported a fatal error."""


class FeedFailed(ConnectorError):
    """A feed could not be renewed from this reply; `reason` is short and without content.

    `retry_after_s` as the vendor asked; `stamp` is what its reply taught all the same, for the next request.
    """

    def __init__(self, reason: str, *, retry_after_s: float | None = None, stamp: str = "") -> None:
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.stamp = stamp
        super().__init__(reason)


class StoreFailed(ConnectorError):
    """A store of saved values did not answer; `reason` is short and without content."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class WriteFailed(ConnectorError):
    """The broker did not take a record; `kind` is too_large, timed_out, queue_full, fatal or refused."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(f"record not written: {kind}")


class SchemaRefused(ConnectorError):
    """The registry does not take a schema under its subject, and does not have it."""
