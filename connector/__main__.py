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
    rich_markup_mode=None,
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
    in_loop(serve(plan))


@app.command()
def replay(
    sink: Annotated[str, typer.Option(help="The sink whose letters are delivered again, to it alone.")],
    reason: Annotated[
        list[str] | None, typer.Option(help="Only letters with this reason; may be given several times.")
    ] = None,
    topic: Annotated[
        list[str] | None, typer.Option(help="Only records that came from this topic; may be given several times.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only records of this time or later: an ISO time, or a duration back such as 24h."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only records before this time: an ISO time, or a duration back such as 1h.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.1, help="At most so many records a second.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be replayed; send nothing, commit nothing.")
    ] = False,
) -> None:
    """Deliver dead letters of one sink again, to the parts that failed.

    They keep their ids. Takes what lies in the dead-letter topic at the start, and ends by itself. How far it came
    is remembered for each sink and set of filters: the same command goes on where it stopped, and what a run left
    out stays left out for it. A letter that fails once more becomes a new letter; after three replays it is left
    alone.
    """
    from connector.app import read_plan
    from connector.commands.replay import Ask, Moment, parse_moment
    from connector.commands.replay import replay as deliver_again
    from connector.observe.logs import configure

    def moment(text: str | None, option: str) -> Moment | None:
        try:
            return parse_moment(text) if text is not None else None
        except ValueError as fault:
            raise typer.BadParameter(str(fault), param_hint=option) from None

    ask = Ask(
        sink,
        frozenset(reason or ()),
        frozenset(topic or ()),
        moment(since, "--since"),
        moment(until, "--until"),
        rate,
        dry_run,
    )
    plan = read_plan(os.environ)
    if sink not in plan.settings.delivery:
        raise typer.BadParameter(f"{sink} is not in CONNECTOR_SINKS", param_hint="--sink")
    configure("error" if sys.stdout.isatty() else plan.settings.connector.log_level, "auto", sys.stderr)
    in_loop(deliver_again(plan, ask))


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(min=0.1, help="How long events are produced.")] = 30.0,
    rate: Annotated[float, typer.Option(min=1.0, help="Events a second.")] = 200.0,
    seed: Annotated[int, typer.Option(help="Decides the events, and which requests and items meet a fault.")] = 1,
    sinks: Annotated[str, typer.Option(help="Sinks to deliver to, by comma.")] = "segment,mparticle,suprsend,flagship",
    keep_open: Annotated[
        bool, typer.Option("--keep-open", help="Leave the pages up after the end, until Ctrl-C.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the connector's pages; 0 for any free one.")] = 0,
) -> None:
    """See all of it at work with nothing installed.

    Runs Kafka and vendors that misbehave within this process. Produces events and delivers them through replies
    that are slow, 429, 503, cut off, or refuse an item. Closes with a ledger per sink, checked against what its
    vendor really received: produced = delivered + dead-lettered + skipped. Exits with 1 where it does not add up.
    Ctrl-C ends it early with the same ledger.
    """
    from connector.commands.demo import Ask
    from connector.commands.demo import demo as show
    from connector.observe.logs import configure
    from connector.sandbox.vendors import VENDORS

    names = [name.strip() for name in sinks.split(",") if name.strip()]
    if not names or len(set(names)) < len(names) or not set(names) <= VENDORS.keys():
        raise typer.BadParameter(f"must be some of {', '.join(VENDORS)}, by comma", param_hint="--sinks")
    configure("error", "auto", sys.stderr)
    in_loop(show(Ask(seconds, rate, seed, names, keep_open, port)))


@app.command()
def check() -> None:
    """See whether everything that a run needs is there.

    Looks at settings, Kafka, topics, registry and vendors. Prints a line for each and ends with 1 where something
    is wrong, 2 where the settings are. A sink's feeds are asked for with its credentials; a vendor is knocked at
    without them, and any answer will do. Nothing is delivered.
    """
    from connector.app import read_plan
    from connector.commands.check import check as look
    from connector.observe.logs import configure

    plan = read_plan(os.environ)
    configure("error", "auto", sys.stderr)
    in_loop(look(plan))


@app.command()
def explain(
    place: Annotated[str, typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="Where the record sits.")],
) -> None:
    """Show one record as every sink would send it.

    Prints the decoded event, the routing and the exact requests. Nothing of it is sent, no group is joined and
    nothing is committed. Secrets are masked; the record's own content is shown. A sink's feeds (a file of rules, a
    token) are asked for; what would be asked about the record's user is left open. It ends with 1 where the record
    cannot be read.
    """
    from connector.app import read_plan
    from connector.commands.explain import explain as show
    from connector.commands.explain import parse_place
    from connector.observe.logs import configure

    try:
        where = parse_place(place)
    except ValueError as fault:
        raise typer.BadParameter(str(fault), param_hint="TOPIC:PARTITION:OFFSET") from None
    plan = read_plan(os.environ)
    configure("error", "auto", sys.stderr)
    in_loop(show(plan, where))


@app.command()
def sandbox(
    vendor: Annotated[
        list[str] | None, typer.Option(help="A vendor to be; may be given several times. All of them by default.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="What goes wrong, as above; may be given several times. Nothing by default."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides which requests and items a fault meets.")] = 1,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")] = 8090,
    keep: Annotated[int, typer.Option(min=1, help="How many items of a vendor /received can show.")] = 1000,
) -> None:
    """Be the vendors as one local server, until SIGTERM or Ctrl-C.

    It checks what it is sent as they do. Each vendor answers under its own name, as in
    http://127.0.0.1:8090/segment; the settings that point the connector there are printed as lines for a shell. GET
    / lists the routes, GET /stats what was counted, GET /received?vendor=NAME&limit=N the last items. It asks for
    credentials of the right form, and takes any.

    A request's own header X-Sandbox-Fault replaces --fault for it; empty, it means none.

    A fault is one of these, several by comma. @SHARE after it is the share of requests it meets, all by default;
    VENDOR: or VENDOR/PATH: before it confines it, as in segment/v1/batch:status=503@0.02.

    \b
      status=CODE             that status, nothing taken
      limited, limited=WAIT   429 that asks to wait (1s)
      quota=COUNT/TIME        429 beyond so many requests in a time;
      quota=COUNT/TIME/items  so many items
      latency=TIME            before the request is taken; A..B for evenly between,
                              A~B for a median of A and a 99th percentile of B
      reset=head              the connection, once the head of the request is read;
      reset=before            before it is taken;
      reset=after             after it is taken
      hang                    taken, never answered
      half                    taken, half of the reply, then closed
      drip, drip=TIME         the reply a byte at a time (20ms each)
      bad, bad=SHARE          items refused as the vendor refuses one, chosen by id

    \b
    Example:
      connector sandbox --vendor segment --fault latency=20ms~800ms,status=503@0.02
    """
    from connector.commands.sandbox import sandbox as serve
    from connector.sandbox.faults import Fault, parse_faults
    from connector.sandbox.server import Script
    from connector.sandbox.vendors import VENDORS

    for name in vendor or ():
        if name not in VENDORS:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(VENDORS)}", param_hint="--vendor")
    faults: list[Fault] = []
    try:
        for script in fault or ():
            faults += parse_faults(script)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--fault") from None
    in_loop(serve(vendor or list(VENDORS), Script(faults, seed), host, port, keep))


def in_loop(work: Coroutine[object, object, int]) -> None:
    """Run to the end on the fastest event loop there is, and exit with the code it returns.

    Threads that still wait for a Kafka that does not answer are left behind: nothing of theirs is of use any more.
    """

    async def then_leave() -> None:
        code = await work
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    if sys.platform == "win32":
        asyncio.run(then_leave())
    else:
        import uvloop

        uvloop.run(then_leave())


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
