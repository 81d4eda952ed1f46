"""`connector sandbox`: the vendors as one local server, until a signal."""

import asyncio
from collections.abc import Sequence

import typer

from connector.commands.signals import on_signals
from connector.errors import Problem, SettingsError
from connector.sandbox.books import Books
from connector.sandbox.server import Sandbox, Script
from connector.sandbox.vendors import VENDORS


async def sandbox(names: Sequence[str], script: Script, host: str, port: int, kept: int) -> int:
    """Serve until a signal asks to stop; say what was received; return the exit code."""
    server = Sandbox([VENDORS[name]() for name in names], script, kept=kept)
    stopped = asyncio.Event()
    on_signals(stopped.set)
    try:
        await server.start(host, port)
    except OSError as fault:
        raise SettingsError([Problem("--port", f"cannot listen on {host}:{port}: {fault.strerror}")]) from None
    typer.echo(f"# {server.address}/ lists the routes; /stats and /received show what came")
    for variable, value in server.environ().items():
        typer.echo(f"export {variable}={value}")
    await stopped.wait()
    await server.stop()
    for name, books in server.books.items():
        typer.echo(_summary(name, books))
    return 0


def _summary(name: str, books: Books) -> str:
    rejected, refused = sum(books.rejected.values()), sum(books.refused.values())
    return (
        f"# {name}: {books.requests} requests, {refused} refused; "
        f"items: {books.accepted} accepted ({books.duplicates} duplicates), {rejected} rejected"
    )
