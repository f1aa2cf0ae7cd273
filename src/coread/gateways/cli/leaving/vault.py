"""Commands of the vault: create, forget, reidentify."""

from __future__ import annotations

import json
import secrets as randomness
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from coread.errors import AccessDenied, NotFound
from coread.gateways.cli.leaving.secrets_folder import (
    KEY_BYTES,
    Secrets,
    database_of,
    open_vault,
    public_key_file,
)
from coread.gateways.cli.opening import COMMAND_LINE, SettingsFile, open_clinic, wide_console
from coread.gateways.cli.protecting.oversight import use_approval
from coread.governance.vault import Opening, make_shares, open_share, prepare, public_key_of

_console = wide_console()
_vault = typer.Typer(no_args_is_help=True, help="Who stands behind a pseudonym: create, forget, reidentify.")


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.add_typer(_vault, name="vault")


@_vault.command("create")
def create_vault(
    custodian: Annotated[list[str], typer.Option(help="Login of a custodian; two or more.")],
    shares: Annotated[Path, typer.Option(help="Folder for the shares; each goes to its custodian alone.")],
    secrets: Secrets = Path("coread-secrets"),
) -> None:
    """Make a vault whose key is split: any two custodians together open it, none alone."""
    if public_key_file(secrets).is_file():
        raise AccessDenied("a vault already", "a folder without one", "take another folder", str(secrets))
    passphrases = {name: typer.prompt(f"Passphrase of {name}", hide_input=True) for name in custodian}
    private = randomness.token_bytes(KEY_BYTES)
    shares.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, text in make_shares(private, passphrases).items():
        path = shares / f"{name}.share.json"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
    public_key_file(secrets).write_text(public_key_of(private).hex())
    prepare(database_of(secrets))
    _console.print(f"{len(passphrases)} shares in {shares}", markup=False)


@_vault.command("forget")
def forget(
    domain: str,
    pseudonym: str,
    basis: Annotated[str, typer.Option(help="Legal basis, e.g. GDPR Art. 17(1)(b); no names.")],
    secrets: Secrets = Path("coread-secrets"),
) -> None:
    """Destroy who stands behind a pseudonym, for ever; every proof of the ledger stays as it was."""
    if not public_key_file(secrets).is_file():
        raise NotFound("no vault", "a folder made by `coread vault create`", where=str(secrets))
    count = open_vault(secrets).forget(domain, pseudonym, COMMAND_LINE, datetime.now(UTC), basis)
    _console.print(f"destroyed; {count} events point to nobody any more")


@_vault.command("reidentify")
def reidentify(  # noqa: PLR0913, PLR0917 - one act, told whole
    domain: str,
    pseudonym: str,
    share: Annotated[list[Path], typer.Option(help="Share file; two, of different custodians.")],
    reason: Annotated[str, typer.Option(help="In words; stays on record.")],
    lawful_basis: Annotated[str, typer.Option(help="The law's clause; stays on record.")],
    approval: Annotated[str, typer.Option(help="Number of the request that a second person granted.")] = "",
    secrets: Secrets = Path("coread-secrets"),
    settings: SettingsFile = None,
) -> None:
    """Say who stands behind a pseudonym; two custodians, each with a passphrase. Stays on record."""
    if not public_key_file(secrets).is_file():
        raise NotFound("no vault", "a folder made by `coread vault create`", where=str(secrets))
    if len(share) != 2:
        raise AccessDenied(f"{len(share)} shares", "two", "give --share twice")
    opened = [
        open_share(
            path.read_text(encoding="utf-8"), typer.prompt(f"Passphrase for {path.name}", hide_input=True)
        )
        for path in share
    ]
    opening = Opening((opened[0], opened[1]), reason, lawful_basis)
    with open_clinic(settings) as clinic:
        use_approval(clinic, approval, "reidentify", f"{domain}/{pseudonym}")
    entry = open_vault(secrets).reidentify(domain, pseudonym, opening, datetime.now(UTC))
    _console.print_json(json.dumps(dict(entry.facts), ensure_ascii=False))
