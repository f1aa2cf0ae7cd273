"""Commands of a site: what its officer decides, and the process that answers the coordinator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from coread.learning.federated.command_line.federation import statements_table, table_of
from coread.learning.federated.plan.words import in_words
from coread.learning.federated.sites.counting import suppressed
from coread.learning.federated.sites.folder import SiteFolder, SiteSettings
from coread.learning.federated.sites.lending import Opener
from coread.learning.federated.task import task_of

app = typer.Typer(no_args_is_help=True, help="A hospital in a federation: decide on plans, take part, stop.")
console = Console()

_opener: Opener | None = None


def ask_consents_by(opener: Opener) -> None:
    """Tell how the clinic's register is opened: who starts the commands knows the clinic's settings."""
    global _opener  # noqa: PLW0603 - set once, before a command runs
    _opener = opener


Folder = Annotated[Path, typer.Option(file_okay=False, help="Folder of the site.")]
PlanWord = Annotated[str, typer.Argument(help="Name of the plan, or the beginning of its hash.")]
By = Annotated[str, typer.Option(help="Who decides; a name or number that the site can resolve.")]
Reason = Annotated[str, typer.Option(help="Why; names no patient.")]


@app.command()
def init(  # noqa: PLR0913, PLR0917 - options of one command
    folder: Folder,
    name: Annotated[str, typer.Option(help="Name of the site in the federation.")],
    data: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of its images.")],
    coordinator: Annotated[Path, typer.Option(exists=True, help="card.json of the coordinator.")],
    authority: Annotated[Path, typer.Option(exists=True, help="Certificate authority of the coordinator.")],
    select: Annotated[list[str] | None, typer.Option(help="Narrow every query, e.g. source=nih.")] = None,
    ledger: Annotated[str, typer.Option(help="Database of the clinic's ledger; its own if left out.")] = "",
    least_free_mb: Annotated[int, typer.Option(help="Refuse orders with less free disk space.")] = 200,
    consents: Annotated[
        Path | None, typer.Option(exists=True, help="Settings of the clinic, for a cohort of its archive.")
    ] = None,
    pseudonym_key: Annotated[
        Path | None, typer.Option(exists=True, help="Key file with which that cohort was built.")
    ] = None,
) -> None:
    """Make the folder, the keys and card.json, which goes to the coordinator by a way that you trust."""
    card = json.loads(coordinator.read_text(encoding="utf-8"))
    settings = SiteSettings(
        name,
        str(data.resolve()),
        dict(word.split("=", 1) for word in select or ()),
        card["link"],
        str(authority.resolve()),
        card["signing_key"],
        ledger,
        least_free_mb,
        str(consents.resolve()) if consents else "",
        str(pseudonym_key.resolve()) if pseudonym_key else "",
    )
    SiteFolder.made(folder, settings)
    console.print(f"written: {folder / 'card.json'}; give it to the coordinator", markup=False)


@app.command()
def consent(
    folder: Folder,
    what: Annotated[list[str], typer.Argument(help="Kinds of data, e.g. label:pneumonia.")],
    by: By,
    withdraw: Annotated[bool, typer.Option(help="Take the consent back.")] = False,
) -> None:
    """Put on record which kinds of data this site lends to federations."""
    site = SiteFolder(folder)
    for one in what:
        site.approvals.consent(one, by, given=not withdraw)
    console.print(f"lends: {', '.join(sorted(site.approvals.consented())) or 'nothing'}", markup=False)


@app.command()
def plans(folder: Folder) -> None:
    """List the plans that were proposed, and where this site stands."""
    site = SiteFolder(folder)
    table = Table("plan", "hash", "stand", "not consented")
    for plan in site.plans():
        stand, missing = site.approvals.stand(plan.sha256), ", ".join(site.approvals.missing(plan))
        table.add_row(plan.name, plan.sha256[:12], str(stand), missing)
    console.print(table)


@app.command()
def show(
    folder: Folder,
    plan: PlanWord,
    lang: Annotated[str, typer.Option(help="en or zh.")] = "en",
) -> None:
    """Say in plain words what a plan means."""
    try:
        console.print(in_words(SiteFolder(folder).plan_of(plan), lang), markup=False, highlight=False)
    except ValueError as fault:
        raise typer.BadParameter(str(fault)) from fault


@app.command()
def count(
    folder: Folder,
    plan: PlanWord,
    exact: Annotated[bool, typer.Option(help="Show small numbers too; for this site's eyes only.")] = False,
) -> None:
    """Count the patients whom a plan's query finds here; small numbers are not shown."""
    site = SiteFolder(folder)
    held = site.plan_of(plan)
    found = task_of(held.task, held.options).count(site.data(held))
    table = Table("what", "number", title="for this site only" if exact else "as it may be shown to others")
    parts = {"patients": found.patients, "examples": found.examples, "training label": found.labels}
    for title, counts in parts.items():
        shown = {name: str(number) for name, number in counts.items()} if exact else suppressed(counts)
        for name, number in shown.items():
            table.add_row(f"{title}: {name}", number)
    console.print(table)


@app.command()
def approve(folder: Folder, plan: PlanWord, by: By) -> None:
    """Approve a plan, by its hash; it stands in the site's ledger."""
    site = SiteFolder(folder)
    held = site.plan_of(plan)
    site.approvals.approve(held, by)
    console.print(f"approved: {held.name} {held.sha256}", markup=False)


@app.command()
def veto(folder: Folder, plan: PlanWord, by: By, reason: Reason = "") -> None:
    """Say no to a plan."""
    site = SiteFolder(folder)
    held = site.plan_of(plan)
    site.approvals.veto(held, by, reason)
    console.print(f"vetoed: {held.name} {held.sha256}", markup=False)


@app.command()
def stop(folder: Folder, plan: PlanWord, by: By, reason: Reason = "") -> None:
    """Leave a plan now: nothing more leaves this site, also what is being trained at this moment."""
    site = SiteFolder(folder)
    held = site.plan_of(plan)
    site.approvals.stop(held, by, reason)
    console.print(f"stopped: {held.name} {held.sha256}", markup=False)


@app.command()
def result(folder: Folder, plan: PlanWord) -> None:
    """Show what every site gained or lost, this one first; the finished model lies beside the figures."""
    site = SiteFolder(folder)
    held = site.plan_of(plan)
    path = site.work(held) / "result.json"
    if not path.exists():
        console.print("no result has come yet")
        raise typer.Exit(1)
    found = json.loads(path.read_text(encoding="utf-8"))
    console.print(table_of(found))
    mine = found["sites"].get(site.settings.name, {}).get("gain", {})
    for name, gained in mine.items():
        words = "gained" if gained > 0 else "LOST" if gained < 0 else "neither gained nor lost"
        console.print(f"this site {words} {abs(gained):.3f} of {name} against training alone", markup=False)
    console.print(f"model: {path.with_name('final.npz')}", markup=False)


@app.command()
def statement(folder: Folder, plan: PlanWord) -> None:
    """Show what every site gave and gained, as this site computed it anew, and whether it signed."""
    site = SiteFolder(folder)
    held = site.plan_of(plan)
    path = site.work(held) / "result.json"
    found = json.loads(path.read_text(encoding="utf-8")).get("contribution") if path.exists() else None
    if not found:
        console.print("no statement has come yet")
        raise typer.Exit(1)
    console.print(statements_table(found))
    kinds = ("federation.statement.signed", "federation.statement.refused")
    for one in [e.event for e in site.record.events(held.sha256) if e.event.kind in kinds]:
        words = one.facts.get("differences") or "it comes out the same here"
        console.print(f"{one.kind.rpartition('.')[2]} at {one.at:%Y-%m-%d %H:%M} UTC: {words}", markup=False)
    console.print(
        f"SHA-256 of the statements: {found['sha256']}; compare it with another site's", markup=False
    )


@app.command()
def log(folder: Folder, plan: Annotated[str, typer.Argument(help="Plan; all if left out.")] = "") -> None:
    """Show what is on record: plans, decisions, orders followed and refused."""
    site = SiteFolder(folder)
    table = Table("when", "what", "who", "facts")
    for one in site.record.events(site.plan_of(plan).sha256 if plan else None):
        facts = ", ".join(f"{k} {v}" for k, v in one.event.facts.items() if v and k != "plan_sha256")
        when = one.event.at.isoformat(timespec="seconds")
        table.add_row(when, one.event.kind.removeprefix("federation."), one.event.actor, facts)
    console.print(table)
    size, root = site.record.root()
    console.print(f"{size} events in the ledger, root {root}", markup=False)


@app.command()
def run(folder: Folder) -> None:
    """Stay connected to the coordinator and take part in what was approved, until stopped (Ctrl-C)."""
    from coread.learning.federated.flower.running import serve_site  # noqa: PLC0415 - heavy

    serve_site(SiteFolder(folder), lambda text: console.print(text, markup=False), _opener)
