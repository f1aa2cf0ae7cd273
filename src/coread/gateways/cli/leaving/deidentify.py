"""The command that de-identifies a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from coread.domain.consent import Use
from coread.gateways.cli.leaving.auditing import finder_or_none, tell_leaks
from coread.gateways.cli.leaving.consenting import check_folder
from coread.gateways.cli.leaving.exports import Domain, ProfileName, hold_folder, tell
from coread.gateways.cli.leaving.secrets_folder import Secrets, keep_in_vault, key_for
from coread.gateways.cli.opening import COMMAND_LINE, SettingsFile, is_configured, open_clinic, wide_console
from coread.governance.deidentify import Deidentifier, Pseudonyms, load_profile
from coread.governance.deidentify.export import deidentify_folder
from coread.governance.deidentify.report import ReviewPage
from coread.governance.exports import Wish

_console = wide_console()


def add_to(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(deidentify)


def deidentify(  # noqa: PLR0913, PLR0917 - one act, told whole
    folder: Annotated[Path, typer.Argument(help="What is to go out; nothing is changed in it.")],
    out: Annotated[Path, typer.Option("--out", help="Where it goes; the reviewer's page lies beside it.")],
    profile: ProfileName = "tcia",
    domain: Domain = "export",
    secrets: Secrets = Path("coread-secrets"),
    jobs: Annotated[int, typer.Option(help="Processes side by side.", min=1)] = 1,
    audit: Annotated[bool, typer.Option(help="Search the output for what was in the input.")] = False,
    use: Annotated[Use, typer.Option("--for", help="The use, where a clinic keeps consents.")] = Use.TEACHING,
    settings: SettingsFile = None,
) -> None:
    """De-identify a folder: header, texts, burned-in pixels; report what was changed and what was left.

    Where a clinic's settings are found that demand review, nothing is written to --out before an officer has
    accepted it in the reading room.
    """
    rules = load_profile(profile)
    if is_configured(settings):
        with open_clinic(settings) as clinic:
            if clinic.settings.exports.needs_review:
                wish = Wish(rules, domain, out, "folder", COMMAND_LINE, use)
                tell(clinic, hold_folder(clinic, folder, wish, jobs))
                return
            check_folder(clinic, folder, use)
    deidentifier = Deidentifier(rules, Pseudonyms(key_for(rules, secrets), domain), finder_or_none(_console))
    page = ReviewPage(rules, domain)
    with Progress(console=_console) as progress:
        task = progress.add_task("de-identifying", total=None)

        def told(done: int, known: int) -> None:
            progress.update(task, completed=done, total=known)

        for outcome in deidentify_folder(folder, out, deidentifier, told, jobs):
            page.add(outcome)
    if rules.reversible and (kept := keep_in_vault(secrets, domain, page.summary.persons)):
        _console.print(f"{kept} new pseudonyms in the vault")
    _tell(page, out)
    if page.summary.refused or (audit and tell_leaks(folder, out)):
        raise typer.Exit(1)


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
