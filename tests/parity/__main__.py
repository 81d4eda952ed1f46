"""Compare a vendor's captures: `python -m tests.parity <vendor> FILE...`; exit status 1 where any differs."""

import logging
from importlib import import_module
from pathlib import Path

import msgspec
import structlog
import typer

from tests.parity.capture import Vendor
from tests.parity.report import lines, report

app = typer.Typer(pretty_exceptions_enable=False)


def vendor_of(name: str) -> Vendor:
    vendor = import_module(f"tests.parity.{name}").VENDOR
    assert isinstance(vendor, Vendor)
    return vendor


@app.command()
def main(vendor: str, files: list[Path]) -> None:
    """Print what differs, then how many captures passed and failed, then what is out of scope by rule."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    chosen = vendor_of(vendor)
    captures = [one for path in files for one in chosen.captures(msgspec.json.decode(path.read_bytes()))]
    found = report(chosen, captures)
    for line in lines(found):
        print(line)
    raise typer.Exit(1 if found.failed else 0)


if __name__ == "__main__":
    app()
