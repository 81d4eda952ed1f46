"""`connector demo` as its users run it: it ends by itself, and its ledger adds up."""

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from connector.sandbox.vendors import VENDORS

pytestmark = pytest.mark.slow

CONNECTOR = Path(sys.executable).with_name("connector")
CLOSING = re.compile(r"^(\w+): produced (\d+) = delivered (\d+) \+ dead-lettered (\d+) \+ skipped (\d+)$", re.MULTILINE)


def books(output: str, sink: str = "segment") -> tuple[int, ...]:
    found = {name: tuple(map(int, counts)) for name, *counts in CLOSING.findall(output)}
    assert sink in found, output
    return found[sink]


def run(*options: str) -> str:
    ended = subprocess.run([CONNECTOR, "demo", *options], capture_output=True, text=True, timeout=90)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    return ended.stdout


def test_everything_produced_is_delivered_dead_lettered_or_skipped() -> None:
    produced, delivered, lettered, skipped = books(run("--seconds", "3", "--rate", "500", "--sinks", "segment"))
    assert produced == 1500
    assert delivered + lettered + skipped == 1500
    assert min(delivered, lettered, skipped) > 0


def test_the_books_of_all_vendors_add_up_side_by_side() -> None:
    output = run("--seconds", "2")
    for sink in VENDORS:
        produced, *ends = books(output, sink)
        assert (produced, sum(ends)) == (400, 400)


def test_a_seed_decides_how_the_events_end() -> None:
    first, second, other = (
        books(run("--seconds", "1", "--seed", seed, "--sinks", "segment")) for seed in ("7", "7", "8")
    )
    assert first == second
    assert first != other


def test_ctrl_c_ends_it_well_with_what_was_produced_so_far() -> None:
    process = subprocess.Popen([CONNECTOR, "demo", "--seconds", "60"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if re.match(r"segment: produced [1-9]", line):
            break
    asked_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(30) == 0, "".join(seen) + rest
    assert time.monotonic() - asked_s < 30
    assert 0 < books(rest)[0] < 12_000


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run([CONNECTOR, "demo", "--port", str(port)], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"--port: port {port} is in use; set another\n"
