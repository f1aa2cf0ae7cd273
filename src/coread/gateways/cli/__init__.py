"""The command line: parse, call one function, print.

Every command opens the clinic that the settings describe; the settings come from ``--settings``, else from
``COREAD_SETTINGS``, else from ``coread.toml`` in the working folder, else from defaults and environment.
"""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from coread import __version__
from coread.errors import CoReadError
from coread.gateways.cli import (
    consent,
    demo,
    keeping,
    leaving,
    ledger,
    people,
    protecting,
    serving,
    showing,
)
from coread.gateways.statuses import status_of

__all__ = ["app", "main"]

app = typer.Typer(
    name="coread",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="CoRead 共读: studies come in, readings go out, and every step is on record.",
)
for part in (serving, keeping, showing, ledger, consent, people, protecting, leaving, demo):
    part.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"coread {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Options before the command."""


def main() -> None:
    """Run the command line; an error of CoRead is printed whole and sets the exit code."""
    try:
        app()
    except CoReadError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False, markup=False)
        sys.exit(status_of(error).exit_code)
