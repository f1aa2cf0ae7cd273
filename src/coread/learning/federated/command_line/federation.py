"""Commands of a coordinator: enrol sites, freeze a plan, run it, see how it stands."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from coread.learning.federated.contribution.agreeing import read_account
from coread.learning.federated.contribution.rules import read_rules, shares
from coread.learning.federated.contribution.statement import statements
from coread.learning.federated.coordinator.folder import CoordinatorFolder, CoordinatorSettings
from coread.learning.federated.coordinator.keeping import Kept, demand_finished
from coread.learning.federated.plan.words import in_words

app = typer.Typer(no_args_is_help=True, help="The coordinator of a federation: enrol, plan, run, status.")
console = Console()

Folder = Annotated[Path, typer.Option(file_okay=False, help="Folder of the coordinator.")]
PlanOption = Annotated[str, typer.Option(help="Name or hash of the plan; the only one if left out.")]
Key = Annotated[Path, typer.Option(exists=True, dir_okay=False)]


@app.command()
def init(  # noqa: PLR0913, PLR0917 - options of one command
    folder: Folder,
    name: Annotated[str, typer.Option(help="Name of the federation.")],
    certificate: Key,
    key: Key,
    authority: Key,
    host: Annotated[str, typer.Option(help="Address on which sites reach it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="One port serves all.")] = 9393,
) -> None:
    """Make the folder and card.json, which goes to the sites with the authority's certificate."""
    files = (str(certificate.resolve()), str(key.resolve()), str(authority.resolve()))
    CoordinatorFolder.made(folder, CoordinatorSettings(name, host, port, *files))
    console.print(f"written: {folder / 'card.json'}; give it to the sites", markup=False)


@app.command()
def enrol(folder: Folder, card: Annotated[list[Path], typer.Argument(help="card.json of sites.")]) -> None:
    """Enrol sites by their cards."""
    coordinator = CoordinatorFolder(folder)
    for one in card:
        console.print(f"enrolled: {coordinator.enrol(one)}", markup=False)


@app.command()
def plan(folder: Folder, draft: Annotated[Path, typer.Argument(exists=True, help="TOML.")]) -> None:
    """Freeze a draft into a plan and show it as the sites' officers will see it."""
    coordinator = CoordinatorFolder(folder)
    path = coordinator.freeze(draft)
    held = coordinator.plan_of(path.parent.name)
    console.print(in_words(held), markup=False, highlight=False)
    console.print(f"written: {path}", markup=False)


@app.command()
def run(
    folder: Folder,
    plan: PlanOption = "",
    wait_s: Annotated[float, typer.Option(help="How long the sites' officers may take.")] = 86400.0,
) -> None:
    """Propose a plan, wait for the sites' word and run it; after a stop, go on with the next round."""
    from coread.learning.federated.flower.running import coordinate  # noqa: PLC0415 - heavy

    coordinator = CoordinatorFolder(folder)
    held = coordinator.plan_of(plan)
    result = coordinate(coordinator, held, wait_s, lambda text, _: console.print(text, markup=False))
    console.print(table_of(result))


@app.command()
def status(folder: Folder, plan: PlanOption = "") -> None:
    """Show the rounds that are done, who took part and what was turned away."""
    coordinator = CoordinatorFolder(folder)
    kept = Kept(folder, coordinator.plan_of(plan))
    table = Table("round", "took part", "turned away", "seconds")
    for entry in kept.history():
        refused = "; ".join(f"{site}: {why}" for site, why in entry["refused"].items())
        table.add_row(str(entry["round"]), ", ".join(entry["took_part"]), refused, f"{entry['seconds']:.1f}")
    console.print(table)
    if result := kept.read("result"):
        console.print(table_of(result))


@app.command()
def bundle(
    folder: Folder,
    plan: PlanOption = "",
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the reader's package.")] = Path(
        "federated-reader"
    ),
) -> None:
    """Make an installable reader of a finished federation; refused where a site would lose by it."""
    from coread.learning.federated.packing.bundle import (  # noqa: PLC0415 - heavy
        Finished,
        make_bundle,
        package_at,
    )
    from coread.learning.federated.packing.packed import packable  # noqa: PLC0415
    from coread.learning.federated.task import task_of  # noqa: PLC0415

    coordinator = CoordinatorFolder(folder)
    held = coordinator.plan_of(plan)
    state, result = demand_finished(Kept(folder, held))
    finished = Finished(held, state.parameters, result, coordinator.settings.name)
    task = packable(task_of(held.task, held.options))
    made = make_bundle(finished, task, package_at(held, task, out))
    console.print(f"the bundle holds; grade {made.card.evidence_grade}", markup=False)
    for limit in made.card.limits:
        console.print(f"- {limit}", markup=False, highlight=False)
    console.print(f"written: {out}; sign it with coread-lab sign, install it with pip", markup=False)


@app.command()
def statement(
    folder: Folder,
    plan: PlanOption = "",
    rules: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Rule file (TOML) that makes shares.")
    ] = None,
) -> None:
    """Show what each site gave and gained, who signed it, and the shares by a rule file."""
    found = demand_finished(Kept(folder, CoordinatorFolder(folder).plan_of(plan)))[1]
    console.print(statements_table(found["contribution"]))
    said = found["statement"]
    console.print(f"signed: {', '.join(said['signed']) or 'by nobody'}", markup=False)
    for site, why in said["against"].items():
        console.print(f"not signed by {site}: {why}", markup=False)
    if rules:
        made = statements(read_account(found["contribution"]["account"]))
        for site, share in shares(made, read_rules(rules)).items():
            console.print(f"share of {site}: {share:.1%}", markup=False)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder to write into.")] = Path(
        "federation-out"
    ),
    data: Annotated[
        Path | None, typer.Option(help="Folder of the published sets; without it, public patients.")
    ] = None,
) -> None:
    """Run three hospitals and a coordinator on this machine, over TLS, on real data (minutes)."""
    from coread.learning.federated.trial.demonstration import demonstrate  # noqa: PLC0415 - heavy
    from coread.learning.federated.trial.picture import draw, statements, write_page  # noqa: PLC0415

    shutil.rmtree(out / "federation", ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    result = demonstrate(data, out, lambda text: console.print(text, markup=False, highlight=False))
    draw(result, out / "federation.png")
    write_page(result, out / "federation.png", out / "federation.html")
    console.print(table_of(result))
    for line in statements(result):
        console.print(line, markup=False, highlight=False)
    console.print(f"written: {out / 'federation.html'} ({result['demonstration_s']} s)", markup=False)


def statements_table(held: dict[str, Any]) -> Table:
    """A table of the statements of all sites."""
    table = Table("site", "value", "missed if absent", "gained at home", "rounds", "seconds given",
                  title=f"{held['account']['federation']}: {held['account']['score']}")  # fmt: skip
    for site, one in held["statements"].items():
        figures = ("-" if one[n] is None else f"{one[n]:+.4f}" for n in ("value", "missed", "gained"))
        table.add_row(site, *figures, str(one["signals"]["rounds"]), f"{one['compute_s']:.1f}")
    return table


def table_of(result: dict[str, Any]) -> Table:
    """A table of a result: each site's figures alone and together, and what it gained."""
    table = Table("site", "rounds", "figure", "alone", "federation", "gain", title=result["plan"])
    for site, held in result["sites"].items():
        rounds = str(result["took_part"].get(site, 0))
        for name, gained in held["gain"].items() or {"": None}.items():
            if gained is None:
                table.add_row(site, rounds, ", ".join(map(str, held["federation"].values())), "", "", "")
                continue
            alone, together = held["alone"][name], held["federation"][name]
            table.add_row(site, rounds, name, f"{alone:.3f}", f"{together:.3f}", f"{gained:+.3f}")
    return table
