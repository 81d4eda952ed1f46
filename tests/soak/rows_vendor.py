"""Rows of a vendor that cannot be reached: what its failure is called, what waits, and nothing is lost."""

import asyncio
import errno
import re
import shlex
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import cast

import pytest

from connector.adapters.keep_alive import MOST_HANGUPS
from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Reply, Vendor
from tests.integration.campaign import TAKEN
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.integration.trial import on_mock
from tests.soak.conftest import Tell
from tests.soak.mounts import mounted
from tests.soak.stream import held, replica, running

CERTIFICATES = Path(__file__).parents[1] / "doubles/certificates"
RECOVERY_S = 15
LANES = 8

Fault = Callable[[Vendor], AbstractAsyncContextManager[None]]


def served_with(certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / certificate)
    return context


def authorities(folder: Path) -> str:
    """Trust both of the stand-in's certificates, so that only their content can be wrong."""
    file = folder / "authorities.pem"
    file.write_text("".join((CERTIFICATES / name).read_text() for name in ("localhost.pem", "expired.pem")))
    return str(file)


@asynccontextmanager
async def refused(vendor: Vendor) -> AsyncIterator[None]:
    await vendor.stop()
    yield
    await vendor.start(vendor.port)


@asynccontextmanager
async def black_hole(vendor: Vendor) -> AsyncIterator[None]:
    """Have the kernel drop whatever wants to connect: a listener that accepts nothing, and its queue is full."""
    await vendor.stop()
    with socket.socket() as hole, socket.socket() as first, socket.socket() as second:
        hole.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        hole.bind(("127.0.0.1", vendor.port))
        hole.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            assert filler.connect_ex(hole.getsockname()) in (0, errno.EINPROGRESS)
        yield
    await vendor.start(vendor.port)


@asynccontextmanager
async def expired(vendor: Vendor) -> AsyncIterator[None]:
    await vendor.stop()
    impostor = Vendor(vendor.script, tls=served_with("expired.pem"))
    await impostor.start(vendor.port)
    yield
    await impostor.stop()
    assert impostor.received == []
    await vendor.start(vendor.port)


@pytest.mark.row(
    "a vendor that cannot be reached for a while", bound="its own kind and class, 0 letters, delivers 15 s after"
)
@pytest.mark.parametrize(
    ("fault", "kind", "says", "tls"),
    [
        pytest.param(refused, "connect", "does not answer", False, id="refused"),
        pytest.param(black_hole, "connect_timeout", "does not answer", False, id="black hole"),
        pytest.param(expired, "tls", "refuses our set-up", True, id="certificate expired"),
    ],
)
@pytest.mark.shows("V7")
def test_a_vendor_out_of_reach_is_waited_for(
    mock: MockCluster, tmp_path: Path, tell: Tell, fault: Fault, kind: str, says: str, tls: bool
) -> None:
    async def run() -> None:
        trial = on_mock(mock)
        server = served_with("localhost.pem") if tls else None
        async with Vendor(segment(trial.ledger), tls=server) as vendor:
            connector = replica(trial, vendor, tmp_path, CONNECTOR_HTTP_CA_FILE=authorities(tmp_path))
            with trial.watch() as watch:
                async with running(connector):
                    await trial.delivered(await trial.mixed(500, keys=100))
                    async with fault(vendor):
                        waiting = await trial.mixed(500, keys=100)
                        await until(lambda: _says(connector, says), 60, "readiness names the vendor")
                        failed = await _failed(connector)
                        assert failed.keys() == {kind}
                        assert await trial.letters_now() == []
                    back_s = time.monotonic()
                    await trial.delivered(waiting, RECOVERY_S)
                    took_s = time.monotonic() - back_s
                    await trial.settled()
                    await until(connector.ready, 10, "ready")
            tell(**held(trial, watch, connector), attempts=failed[kind], back_after_s=f"{took_s:.1f}")
            assert trial.letters() == []

    asyncio.run(run())


@pytest.mark.row(
    "a vendor's address that cannot be right", bound="its own kind and class, 0 letters, nothing committed, 0 missing"
)
@pytest.mark.parametrize(
    ("host", "kind", "says"),
    [
        pytest.param("http://nobody.invalid", "dns", "does not answer", id="name unknown"),
        pytest.param("https://127.0.0.1", "tls", "refuses our set-up", id="certificate of another host"),
    ],
)
@pytest.mark.shows("V7")
def test_a_wrong_address_is_named_and_mended_by_a_restart(
    mock: MockCluster, tmp_path: Path, tell: Tell, host: str, kind: str, says: str
) -> None:
    async def run() -> None:
        trial = on_mock(mock)
        async with Vendor(segment(trial.ledger), tls=served_with("localhost.pem")) as vendor:
            trusted = {"CONNECTOR_HTTP_CA_FILE": authorities(tmp_path)}
            wrong = replica(trial, vendor, tmp_path, **trusted, SEGMENT_HOST=f"{host}:{vendor.port}")
            right = replica(trial, vendor, tmp_path, **trusted)
            with trial.watch() as watch:
                await trial.mixed(500, keys=100)
                async with running(wrong):
                    await until(lambda: _says(wrong, says), 60, "readiness names the vendor")
                    failed = await _failed(wrong)
                    assert failed.keys() == {kind}
                assert vendor.received == []
                assert not any(trial.commits().values())
                async with running(right):
                    await trial.settled()
            tell(**held(trial, watch, wrong, right), attempts=failed[kind])
            assert trial.letters() == []

    asyncio.run(run())


@pytest.mark.row(
    "a proxy that is down, or wants a password it was not given", bound="set-up class, says proxy, 0 letters, 0 missing"
)
@pytest.mark.parametrize("proxy", ["down", "demanding"])
@pytest.mark.shows("V22")
def test_a_proxy_that_does_not_serve_is_named(mock: MockCluster, tmp_path: Path, tell: Tell, proxy: str) -> None:
    async def run() -> None:
        trial = on_mock(mock)
        demanding = Vendor(lambda request: Reply(407, {"Proxy-Authenticate": "Basic"}))
        async with Vendor(segment(trial.ledger)) as vendor, demanding as through:
            if proxy == "down":
                await through.stop()
            wrong = replica(trial, vendor, tmp_path, CONNECTOR_HTTP_PROXY=through.url)
            right = replica(trial, vendor, tmp_path)
            with trial.watch() as watch:
                await trial.mixed(500, keys=100)
                async with running(wrong):
                    await until(
                        lambda: _says(wrong, "refuses our set-up (batch: proxy)"), 60, "readiness names the proxy"
                    )
                    assert (await _failed(wrong)).keys() == {"proxy"}
                assert vendor.received == []
                async with running(right):
                    await trial.settled()
            tell(**held(trial, watch, wrong, right))
            assert trial.letters() == []

    asyncio.run(run())


@pytest.mark.row(
    "connections closed after each reply",
    bound="announced: 0 errors; unannounced: at most 3 of each lane crossed with the close; 0 duplicates, 0 missing; "
    "at least 95% of the requests/s over kept ones, handshakes aside",
)
@pytest.mark.parametrize("headers", [{"Connection": "close"}, {}], ids=["announced", "unannounced"])
@pytest.mark.shows("V21")
def test_a_vendor_that_keeps_no_connection_costs_no_record(
    mock: MockCluster, tmp_path: Path, tell: Tell, headers: dict[str, str]
) -> None:
    async def run() -> None:
        trial = on_mock(mock)
        kept = Reply(200, body=TAKEN.body, delay_s=0.1)
        closed = Reply(200, headers, TAKEN.body, delay_s=0.1, then="close")
        async with Vendor(segment(trial.ledger, lambda *_: kept)) as vendor:
            connector = replica(trial, vendor, tmp_path, SEGMENT_BATCH_SIZE="10")
            with trial.watch() as watch:
                await trial.mixed(26_000, keys=4000)
                async with running(connector):
                    await until(lambda: len(vendor.received) > 100, 60, "a flow")
                    calm = await _requests_per_s(vendor, 10)
                    vendor.script = segment(trial.ledger, lambda *_: closed)
                    await asyncio.sleep(4)  # for those that cross
                    opened, asked = vendor.connections, len(vendor.received)
                    closing = await _requests_per_s(vendor, 10)
                    opened, asked = vendor.connections - opened, len(vendor.received) - asked
                    handshake_s = median([await _handshake_s(vendor) for _ in range(20)])
                    await trial.settled(90)
                    failed = await _failed(connector)
            figures = held(trial, watch, connector)
            least = 0.95 * LANES / (LANES / calm + handshake_s)
            tell(**figures, crossed=failed.get("reset", 0), per_s=f"{closing:.1f} of {calm:.1f}, at least {least:.1f}")
            assert failed.keys() <= (set() if headers else {"reset"})
            assert failed.get("reset", 0) <= MOST_HANGUPS * LANES
            # But for those whose connection was opened before the count began.
            assert opened >= asked - LANES
            assert closing >= least

    asyncio.run(run())


async def _requests_per_s(vendor: Vendor, for_s: float) -> float:
    before, began_s = len(vendor.received), time.monotonic()
    await asyncio.sleep(for_s)  # the figure is over this very time
    return (len(vendor.received) - before) / (time.monotonic() - began_s)


async def _handshake_s(vendor: Vendor) -> float:
    """Take the time that a connection takes while the vendor is as busy as it is."""
    began_s = time.monotonic()
    _, writer = await asyncio.open_connection("127.0.0.1", vendor.port)
    took_s = time.monotonic() - began_s
    writer.close()
    return took_s


SERVFAIL = 2


class FailingNames(asyncio.DatagramProtocol):
    """A name server that has no answer to any question: SERVFAIL."""

    def __init__(self) -> None:
        self.asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        # The question again, marked as an answer of a server that recurses.
        self._transport.sendto(data[:2] + bytes([data[2] | 0x80, 0x80 | SERVFAIL]) + data[4:], addr)


@pytest.mark.row("name servers that fail (SERVFAIL)", bound="kind dns, waited for, 0 letters, nothing committed")
@pytest.mark.shows("V7")
def test_name_servers_that_fail_are_waited_for(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial, names = on_mock(mock), FailingNames()
        await _serve_names(names)
        (tmp_path / "resolv.conf").write_text(f"nameserver {NAMES_AT}\noptions timeout:1 attempts:1\n")
        mount = f"mount --bind {shlex.quote(str(tmp_path / 'resolv.conf'))} /etc/resolv.conf"
        async with Vendor(segment(trial.ledger)) as vendor:
            host = {"SEGMENT_HOST": f"http://vendor.example:{vendor.port}"}
            wrong = Connector(trial.env(vendor, **host), tmp_path, mounted(mount))
            right = replica(trial, vendor, tmp_path)
            with trial.watch() as watch:
                await trial.mixed(500, keys=100)
                async with running(wrong):
                    await until(lambda: _says(wrong, "does not answer"), 60, "readiness names the vendor")
                    failed = await _failed(wrong)
                assert not any(trial.commits().values())
                async with running(right):
                    await trial.settled()
        tell(**held(trial, watch, wrong, right), attempts=failed["dns"], asked=names.asked)
        assert failed.keys() == {"dns"}
        assert names.asked > 0
        assert trial.letters() == []

    asyncio.run(run())


NAMES_AT = "127.0.0.153"


async def _serve_names(names: FailingNames) -> None:
    try:
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: names, (NAMES_AT, 53))
    except PermissionError:
        pytest.skip("nobody may serve names here")


async def _says(connector: Connector, words: str) -> bool:
    return words in (await connector.failing()).get("vendor.segment", "")


async def _failed(connector: Connector) -> dict[str, int]:
    """Count requests that got no reply, by kind."""
    kinds = re.compile(r'connector_http_errors_total\{kind="(\w+)"')
    found = ((kinds.match(name), count) for name, count in (await connector.metrics()).items())
    return {match[1]: round(count) for match, count in found if match and count}
