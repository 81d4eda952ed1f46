"""What holds whatever happens; asserted at the end of every test of faults."""

import base64
from collections import Counter
from collections.abc import Collection, Iterable

from tests.integration.oracle import Ledger, Letter, Place, Watch
from tests.integration.process import Connector

_KEY = b"a-very-secret-write-key"
_SECRETS = (_KEY, base64.b64encode(_KEY + b":"), base64.b64encode(_KEY))


def assert_sound(
    ledger: Ledger,
    watch: Watch,
    *connectors: Connector,
    letters: Collection[Letter] = (),
    gone: Collection[str] = (),
) -> None:
    """Assert conservation, no early commit, order, equal repetition and secrecy.

    Shape: `gone` are ids that Kafka itself no longer had.
    """
    wrong = {
        "missing": ledger.missing(letters) - set(gone),
        "delivered though gone": ledger.delivered & set(gone),
        "committed early": watch.violations,
        "out of order": ledger.out_of_order(),
        "changed between deliveries": ledger.changed(),
    }
    assert not any(wrong.values()), {what: sorted(found)[:5] for what, found in wrong.items() if found}
    assert watch.samples > 0
    assert_no_secret(connector.log.encode() for connector in connectors)
    for letter in letters:
        notes = [f"{name}={value}".encode() for name, value in letter.notes.items()]
        assert_no_secret([letter.key or b"", letter.value or b"", *letter.headers.values(), *notes])


async def assert_pages_tell_no_secret(connector: Connector) -> None:
    """Look through all that a running connector tells over HTTP."""
    assert_no_secret([(await connector.get(path))[1].encode() for path in ("/metrics", "/readyz", "/livez", "/")])


def assert_no_secret(texts: Iterable[bytes]) -> None:
    for text in texts:
        assert not any(secret in text for secret in _SECRETS)


def repeated(ledger: Ledger) -> set[str]:
    """Ids that the vendor took more than once."""
    return {identifier for identifier, times in Counter(ledger.accepted).items() if times > 1}


def above(ledger: Ledger, commits: dict[tuple[str, int], int], resolved: Collection[Place] = ()) -> set[str]:
    """Ids delivered so far whose offsets are not committed, neither as such: what a successor must send again."""
    found = (ledger.entries[identifier] for identifier in ledger.delivered)
    return {
        entry.made.id for entry in found if entry.place[2] >= commits[entry.place[:2]] and entry.place not in resolved
    }
