"""The command line. Exit codes: 0 ended well, 1 failed, 2 wrong settings, 130 and 143 ended by a second signal."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Annotated

import typer

from connector import __version__
from connector.errors import ConnectorError, SettingsError

app = typer.Typer(
    name="connector",
    help="Deliver Avro events from Kafka to customer-data vendors, in order per key, at least once.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def connector(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Take settings from environment variables alone; the README lists them."""


@app.command()
def run() -> None:
    """Deliver until SIGTERM; then drain, commit and exit 0."""
    from connector.app import read_plan
    from connector.commands.run import run as serve
    from connector.observe.logs import configure

    plan = read_plan(os.environ)
    configure(plan.settings.connector.log_level, plan.settings.connector.log_format, sys.stderr)
    raise typer.Exit(in_loop(serve(plan)))


def in_loop(work: Coroutine[object, object, int]) -> int:
    """Run to the end on the fastest event loop there is."""
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop

    return uvloop.run(work)


def main() -> None:
    """Run a command; wrong settings are all printed, one a line, with exit code 2."""
    try:
        app()
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(f"{problem.variable}: {problem.message}", err=True)
        sys.exit(2)
    except ConnectorError as failure:
        typer.echo(str(failure), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
