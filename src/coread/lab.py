"""The lab's command line: where readers are made. Needs `pip install coread[lab]`; no hospital installs it.

``coread-lab chest train|export|evaluate --data DATA --out RUN``
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from coread.learning.chest import chest_radiograph, shipping

app = typer.Typer(no_args_is_help=True, help="CoRead's lab: train, export and evaluate readers.")
chest = typer.Typer(no_args_is_help=True, help="The chest radiograph reader.")
app.add_typer(chest, name="chest")

BUNDLE = Path(__file__).parent / "readers" / "chest_radiograph" / "bundle"

Data = Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of the published image sets.")]
Out = Annotated[Path, typer.Option(file_okay=False, help="Folder of this training run.")]
BundleFolder = Annotated[Path, typer.Option(file_okay=False, help="Folder of the bundle.")]

console = Console()


@app.callback()
def _lab() -> None:
    """CoRead's lab."""


@chest.command()
def train(
    data: Data, out: Out, seed: int = chest_radiograph.Plan.seed, epochs: int = chest_radiograph.Plan.epochs
) -> None:
    """Train the network; a stopped run is continued by the same command."""
    plan = chest_radiograph.Plan(seed=seed, epochs=epochs)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=1.0)

        def report(text: str, share: float) -> None:
            progress.update(task, completed=share, description=text.split(":", maxsplit=1)[0])
            if ":" in text:
                progress.console.print(text)

        chest_radiograph.train(data, out, plan, report)


@chest.command()
def export(data: Data, out: Out, bundle: BundleFolder = BUNDLE) -> None:
    """Write network, calibration and gate of the bundle; reads training and validation images only."""
    with console.status("exporting") as status:
        shipping.export(data, out, bundle, status.update)


@chest.command()
def evaluate(data: Data, out: Out, bundle: BundleFolder = BUNDLE) -> None:
    """Read the test split, and write evaluation and card of the bundle."""
    plan = shipping.plan_of(out)
    origin = shipping.Origin(
        commit=shipping.commit_of(Path(__file__).parent),
        command="coread-lab chest " + " && coread-lab chest ".join(("train", "export", "evaluate")),
        seeds={"training": plan["seed"], "gate": 7, "bootstrap": 0, "erasure": 0, "random_weights": 3},
        training=plan,
    )
    with console.status("evaluating") as status:
        report = shipping.evaluate(data, out, bundle, origin, status.update)
    console.print(_table(report))


def _table(report: dict[str, Any]) -> Table:
    """The main figures, one line per source."""
    table = Table("source", "images", "AUC (95 %)", "sensitivity", "specificity", "ECE", title="Test split")
    for site, held in report["sites"].items():
        auc = held["auc"]
        table.add_row(
            site, str(held["images"]), f"{auc['value']:.3f} ({auc['lower']:.3f}-{auc['upper']:.3f})",
            f"{held['sensitivity']['value']:.3f}", f"{held['specificity']['value']:.3f}",
            f"{held['calibration']['ece_10_equal_mass']:.3f}",
        )  # fmt: skip
    return table


def main() -> None:
    """Run the command line."""
    app(prog_name="coread-lab")


if __name__ == "__main__":
    main()
