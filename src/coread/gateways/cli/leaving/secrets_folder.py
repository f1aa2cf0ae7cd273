"""The folder of the pseudonyms' key and of the vault, kept apart from images and from what goes out."""

from __future__ import annotations

import secrets as randomness
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from coread.archive import Database
from coread.gateways.cli.opening import COMMAND_LINE
from coread.governance.deidentify import Profile
from coread.governance.vault import Entry, Vault, prepare
from coread.ledger import Ledger

KEY_BYTES = 32
_KEY, _PUBLIC_KEY, _DATABASE = "pseudonyms.key", "vault.pub", "vault.sqlite"

Secrets = Annotated[
    Path,
    typer.Option(
        "--secrets", help="Folder of the pseudonyms' key and, after `vault create`, of the vault. Kept apart."
    ),
]


def key_for(profile: Profile, folder: Path) -> bytes:
    """Return the pseudonyms' key: the kept one, or where there may be no way back one that nobody keeps."""
    return _kept_key(folder) if profile.reversible else randomness.token_bytes(KEY_BYTES)


def _kept_key(folder: Path) -> bytes:
    """Read the pseudonyms' key, or draw it: readable by its owner only."""
    path = folder / _KEY
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(randomness.token_hex(KEY_BYTES))
    return bytes.fromhex(path.read_text().strip())


def public_key_file(folder: Path) -> Path:
    """Return the file of the vault's public key; where it is not, there is no vault."""
    return folder / _PUBLIC_KEY


def database_of(folder: Path) -> Database:
    """Open the vault's database."""
    return Database(f"sqlite:///{folder / _DATABASE}")


def open_vault(folder: Path) -> Vault:
    """Open a vault; its entries stay sealed."""
    database = database_of(folder)
    prepare(database)
    return Vault(database, Ledger(database), bytes.fromhex(public_key_file(folder).read_text().strip()))


def keep_in_vault(folder: Path, domain: str, persons: Mapping[str, Mapping[str, Any]]) -> int:
    """Seal who stands behind each pseudonym, where there is a vault; return how many were new."""
    if not public_key_file(folder).is_file():
        return 0
    entries = [Entry(domain, pseudonym, dict(facts)) for pseudonym, facts in persons.items()]
    return open_vault(folder).keep(entries, COMMAND_LINE, datetime.now(UTC))
