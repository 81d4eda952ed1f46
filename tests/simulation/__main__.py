"""Run seeds: `python -m tests.simulation --seeds N --from S [--story] [--shrink] [--mutations]`."""

import os
import sys
import time
from collections.abc import Sequence

import typer

from tests.simulation.draw import draw
from tests.simulation.mutations import MUTATIONS, first_caught
from tests.simulation.scenario import Scenario
from tests.simulation.shrink import short, shrink
from tests.simulation.world import Result, run

app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def main(
    seeds: int = typer.Option(200, help="How many seeds to run."),
    start: int = typer.Option(1, "--from", help="The first one."),
    story: bool = typer.Option(False, help="Print all that happens, in order."),
    small: bool = typer.Option(False, "--shrink", help="Make a failing run small, and print its story."),
    mutations: bool = typer.Option(False, "--mutations", help="See that each deliberate defect is caught instead."),
) -> None:
    """Run seeds and print each violation; exit status 1 if there is any."""
    _fix_hashing()
    if mutations:
        raise typer.Exit(_try_mutations(range(start, start + seeds)))
    began_s, broken, duplicates = time.perf_counter(), 0, 0
    for seed in range(start, start + seeds):
        scenario = draw(seed)
        result = run(scenario, print if story else None)
        duplicates += result.duplicates
        broken += _print(result)
        if story:
            print(result)
        if small and result.violations:
            _print_small(scenario, result.violations[0].rule)
    took_s = time.perf_counter() - began_s
    print(f"{seeds / took_s:.1f} seeds/s, {duplicates} duplicates with a reason")
    print(f"{seeds} seeds, {broken} violations")
    raise typer.Exit(1 if broken else 0)


def _try_mutations(seeds: Sequence[int]) -> int:
    """Run each defect until it is caught, by what it should break, in a seed that holds without it."""
    missed = 0
    for mutation in MUTATIONS:
        found = first_caught(mutation, seeds)
        rule = found.violations[0].rule if found else ""
        caught = found is not None and rule in mutation.breaks and not run(draw(found.seed)).violations
        missed += not caught
        print(f"{mutation.name}: {'caught' if caught else 'MISSED'}", *((found.seed, rule) if found else ()))
    print(f"{len(MUTATIONS)} mutations, {missed} missed")
    return 1 if missed else 0


def _print(result: Result) -> int:
    for violation in result.violations:
        print(f"seed {result.seed}: {violation.rule} at {violation.at_s:.3f} s: {violation.text}")
        print(f"    python -m tests.simulation --seeds 1 --from {result.seed} --shrink")
    return len(result.violations)


def _print_small(scenario: Scenario, rule: str) -> None:
    """Shrink to the least that still breaks this rule, and tell what happened."""
    smallest = shrink(scenario, lambda other: any(one.rule == rule for one in run(other).violations))
    lines: list[str] = []
    violation = run(smallest, lines.append).violations[0]
    print(lines[0])
    print(*short(lines[1:], violation), sep="\n")


def _fix_hashing() -> None:
    """Start anew with a fixed hash seed: the order of a set of strings is chance that no seed of ours decides."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])


if __name__ == "__main__":
    app()
