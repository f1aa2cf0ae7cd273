"""Commands about what leaves the hospital, and about who stands behind a pseudonym."""

import typer

from coread.gateways.cli.leaving import auditing, deidentify, exports, vault


def add_to(app: typer.Typer) -> None:
    """Add this folder's commands."""
    for part in (deidentify, auditing, exports, vault):
        part.add_to(app)
