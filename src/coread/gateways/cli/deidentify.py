"""Commands about what leaves the hospital: deidentify, leaks, vault create, vault reidentify."""

from __future__ import annotations

import json
import secrets as randomness
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from coread.archive import Database
from coread.errors import AccessDenied, NotFound
from coread.gateways.cli.opening import SettingsFile, open_clinic, wide_console
from coread.gateways.cli.protecting.oversight import use_approval
from coread.governance.deidentify import Deidentifier, Profile, Pseudonyms, TextFinder, load_profile
from coread.governance.deidentify.export import deidentify_folder
from coread.governance.deidentify.pixels.rapid import RapidText, is_installed
from coread.governance.deidentify.report import ReviewPage
from coread.governance.vault import Entry, Opening, Vault, make_shares, open_share, prepare, public_key_of
from coread.ledger import Ledger
from coread.testing.leaks import Leak, find_leaks

_console = wide_console()
_vault = typer.Typer(no_args_is_help=True, help="Who stands behind a pseudonym: create, reidentify.")

_KEY, _PUBLIC_KEY, _DATABASE = "pseudonyms.key", "vault.pub", "vault.sqlite"
_KEY_BYTES = 32
_ACTOR = "person:command-line"

Secrets = Annotated[
    Path,
    typer.Option(
        "--secrets", help="Folder of the pseudonyms' key and, after `vault create`, of the vault. Kept apart."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(deidentify)
    app.command()(leaks)
    app.add_typer(_vault, name="vault")


def deidentify(
    folder: Annotated[Path, typer.Argument(help="What is to go out; nothing is changed in it.")],
    out: Annotated[Path, typer.Option("--out", help="Where it goes; the reviewer's page lies beside it.")],
    profile: Annotated[str, typer.Option("--profile", help="A profile's name, or a TOML file.")] = "tcia",
    domain: Annotated[
        str, typer.Option(help="Project or receiver; each has pseudonyms of its own.")
    ] = "export",
    secrets: Secrets = Path("coread-secrets"),
    jobs: Annotated[int, typer.Option(help="Processes side by side.", min=1)] = 1,
) -> None:
    """De-identify a folder: header, texts, burned-in pixels; report what was changed and what was left."""
    rules = load_profile(profile)
    key = _key(secrets) if rules.reversible else randomness.token_bytes(_KEY_BYTES)
    deidentifier = Deidentifier(rules, Pseudonyms(key, domain), _finder())
    page = ReviewPage(rules, domain)
    with Progress(console=_console) as progress:
        task = progress.add_task("de-identifying", total=None)

        def told(done: int, known: int) -> None:
            progress.update(task, completed=done, total=known)

        for outcome in deidentify_folder(folder, out, deidentifier, told, jobs):
            page.add(outcome)
    _keep_persons(secrets, rules, domain, page)
    _tell(page, out)
    if page.summary.refused:
        raise typer.Exit(1)


def _finder() -> TextFinder | None:
    if is_installed():
        return RapidText()
    _console.print("rapidocr is not installed (pip install 'coread[deid]'): images that may bear text stay")
    return None


def _key(folder: Path) -> bytes:
    """Read the pseudonyms' key, or draw it: readable by its owner only."""
    path = folder / _KEY
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(randomness.token_hex(_KEY_BYTES))
    return bytes.fromhex(path.read_text().strip())


def _keep_persons(secrets: Path, rules: Profile, domain: str, page: ReviewPage) -> None:
    if not rules.reversible or not (secrets / _PUBLIC_KEY).is_file():
        return
    entries = [Entry(domain, pseudonym, facts) for pseudonym, facts in page.summary.persons.items()]
    kept = _open_vault(secrets).keep(entries, _ACTOR, datetime.now(UTC))
    _console.print(f"{kept} new pseudonyms in the vault")


def _open_vault(secrets: Path) -> Vault:
    database = Database(f"sqlite:///{secrets / _DATABASE}")
    prepare(database)
    return Vault(database, Ledger(database), bytes.fromhex((secrets / _PUBLIC_KEY).read_text().strip()))


def _tell(page: ReviewPage, out: Path) -> None:
    facts = page.summary.facts()
    written = page.write(out.with_name(f"{out.name}.review"))
    if out.is_dir():
        record = out.with_name(f"{out.name}.deidentification.json")
        record.write_text(json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8")
    table = Table("outcome", "objects")
    table.add_row("written", str(facts["objects_written"]))
    for reason, count in facts["objects_refused"].items():
        table.add_row(f"stays: {reason}", str(count))
    _console.print(table)
    _console.print(f"Look at {written} before anything leaves; it shows names and stays here.", markup=False)


def leaks(
    before: Annotated[Path, typer.Argument(help="The folder that was de-identified.")],
    after: Annotated[Path, typer.Argument(help="What came of it.")],
    ocr: Annotated[bool, typer.Option(help="Read the pixels of the output as well; slow.")] = False,
) -> None:
    """Search an output for everything that named someone in its input; knows nothing of how it was made."""
    with Progress(console=_console) as progress:
        task = progress.add_task("searching", total=None)
        finder = RapidText() if ocr and is_installed() else None
        read: Callable[..., list[str]] | None = None
        if finder is not None:
            read = lambda frame: [found.text for found in finder.find(frame)]  # noqa: E731
        found: list[Leak] = []
        for done, of_one in find_leaks(before, after, read):
            progress.update(task, completed=done)
            found += of_one
    for leak in found:
        _console.print(f"{leak.file}: {leak.where}: {leak.kind} {leak.value!r}", markup=False)
    _console.print(f"{len(found)} leaks")
    if found:
        raise typer.Exit(1)


@_vault.command("create")
def create_vault(
    custodian: Annotated[list[str], typer.Option(help="Login of a custodian; two or more.")],
    shares: Annotated[Path, typer.Option(help="Folder for the shares; each goes to its custodian alone.")],
    secrets: Secrets = Path("coread-secrets"),
) -> None:
    """Make a vault whose key is split: any two custodians together open it, none alone."""
    if (secrets / _PUBLIC_KEY).is_file():
        raise AccessDenied("a vault already", "a folder without one", "take another folder", str(secrets))
    passphrases = {name: typer.prompt(f"Passphrase of {name}", hide_input=True) for name in custodian}
    private = randomness.token_bytes(_KEY_BYTES)
    shares.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, text in make_shares(private, passphrases).items():
        path = shares / f"{name}.share.json"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
    (secrets / _PUBLIC_KEY).write_text(public_key_of(private).hex())
    prepare(Database(f"sqlite:///{secrets / _DATABASE}"))
    _console.print(f"{len(passphrases)} shares in {shares}", markup=False)


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
    if not (secrets / _PUBLIC_KEY).is_file():
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
    entry = _open_vault(secrets).reidentify(domain, pseudonym, opening, datetime.now(UTC))
    _console.print_json(json.dumps(dict(entry.facts), ensure_ascii=False))
