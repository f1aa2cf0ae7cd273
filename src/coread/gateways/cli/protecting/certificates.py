"""Commands about certificates: some for development, and what the settings then say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from coread.gateways.certificates import Made, make_development_certificates
from coread.gateways.cli.opening import wide_console

_console = wide_console()
_certificates = typer.Typer(no_args_is_help=True, help="Certificates for TLS: dev.")


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.add_typer(_certificates, name="certificates")


@_certificates.callback()
def _together() -> None:
    """Certificates for TLS."""


@_certificates.command()
def dev(
    folder: Annotated[Path, typer.Argument(help="Where they go; made if absent.")],
    host: Annotated[
        list[str] | None, typer.Option(help="Name or address of the server, several times.")
    ] = None,
    client: Annotated[list[str] | None, typer.Option(help="File name of a client, several times.")] = None,
    days: Annotated[int, typer.Option(min=1, max=825, help="How long they hold.")] = 90,
) -> None:
    """Make an authority with a server's and clients' certificates, for development only."""
    made = make_development_certificates(
        folder, datetime.now(UTC), hosts=host or (), clients=client or ("client",), days=days
    )
    _console.print(f"written to {folder}: authority, server, {', '.join(p.stem for p in made.clients)}")
    _console.print(
        "FOR DEVELOPMENT ONLY. Whoever reads authority.key can pretend to be any peer; a hospital takes its "
        "certificates from its own authority.",
        style="bold red",
    )
    _console.print(_settings(made), markup=False)


def _settings(made: Made) -> str:
    """Write the settings that use them, for web and DICOM."""
    return f"""
[web]
certificate = "{made.server}"
key = "{made.server_key}"

[dimse.tls]
certificate = "{made.server}"
key = "{made.server_key}"
authorities = "{made.authority}"
"""
