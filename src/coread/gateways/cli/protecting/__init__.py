"""Commands that protect: certificates, signed bundles, and acts that need a second person."""

import typer

from coread.gateways.cli.protecting import certificates, oversight


def add_to(app: typer.Typer) -> None:
    """Add the commands of all files here."""
    certificates.add_to(app)
    oversight.add_to(app)
