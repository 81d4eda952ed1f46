"""`python -m tests.parity.decisions FILE`; exit status 1 where any decision differs or a departure has no reason."""

from pathlib import Path

import msgspec
import typer

from tests.parity.decisions.vectors import Vector, beside_sound, departures, failures, hash_failures, lines, vectors

app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def main(file: Path) -> None:
    document = msgspec.json.decode(file.read_bytes())
    for line in lines(document):
        print(line)
    wrong = bool(hash_failures(document)) or any(map(_wrong, vectors(document)))
    raise typer.Exit(1 if wrong else 0)


def _wrong(vector: Vector) -> bool:
    return bool(failures(vector)) or (beside_sound(vector) and departures(vector) is None)


if __name__ == "__main__":
    app()
