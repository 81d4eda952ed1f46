"""Rows of the simulation: other seeds in each round, and the proof that it can fail."""

import os
import re
import subprocess
import sys

import pytest

from tests.soak.conftest import Tell

SEEDS = 2_000


def simulated(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})


@pytest.mark.row(f"{SEEDS:,} seeds of the simulation", bound="0 violations")
def test_no_invariant_breaks_in_thousands_of_seeds(tell: Tell, round_number: int) -> None:
    first = 1 + (round_number - 1) * SEEDS
    ended = simulated("--seeds", str(SEEDS), "--from", str(first))
    found = re.findall(r"^seed (\d+): (\S+)", ended.stdout, re.M)
    tell(seeds=f"{first} to {first + SEEDS - 1}", violations=len(found), first=found[:3])
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.row("twelve deliberate defects", bound="each caught within 200 seeds")
def test_each_deliberate_defect_is_caught(tell: Tell) -> None:
    ended = simulated("--mutations", "--seeds", "200", "--from", "1")
    seeds = [int(seed) for seed in re.findall(r"caught (\d+)", ended.stdout)]
    tell(caught=len(seeds), seeds=f"at most {max(seeds, default=0)}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
