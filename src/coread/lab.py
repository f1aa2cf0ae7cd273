"""The lab's command line: where readers are made. Needs `pip install coread[lab]`; no hospital installs it.

``coread-lab cohort | recipes | train | bundle | evaluate | explain | report | check | sign | new-reader``
``coread-lab consents | evidence | appraise | follow-version | reader-study plan | power | analyse | try``
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from coread.archive import Archive, Database, DiskStore, Keyring, SealedStore, Studies
from coread.domain.codes import Code
from coread.domain.consent import Use
from coread.errors import CohortRefused, CoReadError
from coread.governance import ConsentRules, Consents, StudyConsents
from coread.learning.cohorts import BuildPlan, CodeBook, Cohort, Concept, build, write_cohort
from coread.learning.cohorts.annotations import read_coco, read_csv, read_voc, with_annotations
from coread.learning.cohorts.consented import CohortConsent
from coread.learning.cohorts.describing import write_card
from coread.learning.cohorts.harmonising import parse_steps
from coread.learning.cohorts.pseudonyms import Pseudonyms
from coread.learning.cohorts.sources import PUBLISHED, published
from coread.learning.cohorts.sources.dicom import DicomSource, FolderFiles
from coread.learning.cohorts.storing import read_cohort
from coread.learning.cohorts.taking import Source
from coread.learning.federated.command_line import federation, site
from coread.learning.recipe import Recipe, recipes
from coread.ledger import Ledger
from coread.settings import load

app = typer.Typer(no_args_is_help=True, help="CoRead's lab: cohorts, training, evaluation, bundles.")

Tell = Callable[[str, float], None]

Data = Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of the published image sets.")]
Out = Annotated[Path, typer.Option(file_okay=False, help="Folder of the run; a stopped run is gone on from.")]
Seed = Annotated[int, typer.Option(help="Seed of every random draw.")]
Name = Annotated[str, typer.Argument(help="Name of the recipe; `coread-lab recipes` lists them.")]
BundleFolder = Annotated[
    Path | None, typer.Option(file_okay=False, help="Folder of the bundle; OUT/bundle if left out.")
]

console = Console()

_ARCHIVE = "archive"
_ALL = 10_000_000


class Form(StrEnum):
    """Forms of annotation files."""

    COCO = "coco"
    VOC = "voc"
    CSV = "csv"


class Keep(StrEnum):
    """Rates that a new version may have to keep."""

    SENSITIVITY = "sensitivity"
    SPECIFICITY = "specificity"


@contextmanager
def _progress(title: str) -> Iterator[Tell]:
    """A bar on the console; lines with a colon are printed above it and stay."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=1.0)

        def tell(text: str, share: float) -> None:
            progress.update(task, completed=share, description=f"{title}: {text.split(':', maxsplit=1)[0]}")
            if ":" in text:
                progress.console.print(text)

        yield tell


@contextmanager
def _run(name: str, out: Path, seed: int) -> Iterator[tuple[Recipe, Any]]:
    """A recipe and its run, alone in its folder."""
    from coread.learning.runs.run import Run  # noqa: PLC0415 - torch is heavy; cohorts do without it

    recipe = recipes()[name]
    with _progress(name) as tell:
        run = Run(out, seed, tell)
        with run.alone():
            run.keep_to(recipe=name)
            yield recipe, run


def _main_folder(out: Path, bundle: Path | None) -> Path:
    folder = bundle or out / "bundle"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@app.command(name="recipes")
def list_recipes() -> None:
    """List the installed recipes."""
    table = Table("recipe", "what it makes")
    found = recipes()
    for name in found:
        try:
            table.add_row(name, found[name].title)
        except CoReadError as fault:
            table.add_row(name, f"not available: {fault.found}")
    console.print(table)


@app.command()
def train(name: Name, data: Data, out: Out, seed: Seed = 0) -> None:
    """Train; a stopped run is gone on from by the same command, to the same weights."""
    with _run(name, out, seed) as (recipe, run):
        recipe.train(data, run)


@app.command()
def bundle(name: Name, data: Data, out: Out, bundle: BundleFolder = None, seed: Seed = 0) -> None:
    """Write network, calibration and gate, from training and validation patients only."""
    with _run(name, out, seed) as (recipe, run):
        recipe.bundle(data, run, _main_folder(out, bundle))


@app.command()
def evaluate(name: Name, data: Data, out: Out, bundle: BundleFolder = None, seed: Seed = 0) -> None:
    """Read the test patients once; write evaluation and card, and check the bundle."""
    folder = _main_folder(out, bundle)
    from coread.learning.runs.looks import note_look  # noqa: PLC0415 - torch is heavy

    with _run(name, out, seed) as (recipe, run):
        looks = note_look(run, folder)
        recipe.evaluate(data, run, folder)
    _checked(folder)
    if looks > 1:
        console.print(
            f"{looks} different networks of this run have read the test patients: figures are optimistic"
        )


@app.command()
def explain(name: Name, data: Data, out: Out, bundle: BundleFolder = None, seed: Seed = 0) -> None:
    """Measure how faithful the explanations are; one that fails is not shown to doctors."""
    folder = _main_folder(out, bundle)
    with _run(name, out, seed) as (recipe, run):
        recipe.explain(data, run, folder)
    _checked(folder)


@app.command()
def check(bundle: Annotated[Path, typer.Argument(exists=True, file_okay=False)]) -> None:
    """Open a bundle as a clinic does: hashes, input shapes, a card that claims no more than was measured."""
    _checked(bundle)


@app.command()
def sign(
    bundle: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Bundle, or a reader's package.")
    ],
    key: Annotated[Path, typer.Option(exists=True, help="PEM file of an Ed25519 private key (chmod 600).")],
) -> None:
    """Sign every file of a bundle, or of a reader's whole package; clinics that trust the key then use it."""
    from coread.readers.vetting import sign_folder  # noqa: PLC0415 - the lab's other commands do without it

    if (bundle / "card.json").is_file():
        _checked(bundle)
    publisher = sign_folder(bundle, key)
    console.print(f"signed by {publisher.name} ({publisher.id}); its public key lies beside the private one")


def _checked(folder: Path) -> None:
    from coread.learning.runs.bundle_check import check_bundle  # noqa: PLC0415 - onnxruntime is heavy

    card = check_bundle(folder).card
    console.print(
        f"{card.identity.name} {card.identity.version}: the bundle holds; grade {card.evidence_grade}"
    )


@app.command()
def report(
    bundle: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of the bundle.")],
    into: Annotated[Path, typer.Option(dir_okay=False, help="File to write.")] = Path("report.html"),
    run: Annotated[Path | None, typer.Option(exists=True, help="Folder of its run, for the curves.")] = None,
    cohort: Annotated[list[Path] | None, typer.Option(exists=True, help="Cohort for the data card.")] = None,
) -> None:
    """Write a report that a doctor and a regulator can read: one file, English and Chinese, no scripts."""
    from coread.learning.runs.report import gather, report_html  # noqa: PLC0415 - matplotlib is heavy

    into.write_text(report_html(gather(bundle, run, cohort or ())), encoding="utf-8")
    console.print(f"written: {into}")


@app.command()
def cohort(  # noqa: PLR0913, PLR0917 - options of one command
    source: Annotated[
        str,
        typer.Argument(
            help=f"A published set ({', '.join(PUBLISHED)}), a folder of DICOM, or archive: a clinic's "
            "consented studies."
        ),
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the cohort.")],
    data: Annotated[Path | None, typer.Option(exists=True, help="Folder of the published sets.")] = None,
    target: Annotated[str, typer.Option(help="Label to be learnt; each split must hold both values.")] = "",
    step: Annotated[
        list[str] | None, typer.Option(help="Harmonisation, e.g. fit:side=256; in order.")
    ] = None,
    redraw: Annotated[bool, typer.Option(help="Draw the splits anew.")] = False,
    drop_leaks: Annotated[
        bool, typer.Option(help="Leave out near-duplicates over published splits.")
    ] = False,
    book: Annotated[Path | None, typer.Option(exists=True, help="Code book (JSON).")] = None,
    labels: Annotated[list[Path] | None, typer.Option(exists=True, help="Annotation files.")] = None,
    form: Annotated[Form, typer.Option(help="Form of the annotation files.")] = Form.CSV,
    annotator: Annotated[str, typer.Option(help="Who annotated, where the files do not say.")] = "annotator",
    site: Annotated[str, typer.Option(help="Name of the site, for DICOM.")] = "",
    key_file: Annotated[Path | None, typer.Option(help="Key of the pseudonyms; made if absent.")] = None,
    settings: Annotated[Path | None, typer.Option(exists=True, help="The clinic's, for archive.")] = None,
) -> None:
    """Build a cohort with its data card; what cannot be used is listed, what would mislead is refused."""
    words = _book(book)
    clinic = _consents(settings, key_file) if source == _ARCHIVE else None
    found = (
        DicomSource(_ARCHIVE, words or CodeBook([]), clinic[0].files(clinic[1]), clinic[0].pseudonyms, site)
        if clinic
        else _source(source, data, words, site, key_file)
    )
    if labels:
        read = {Form.COCO: read_coco, Form.VOC: read_voc, Form.CSV: read_csv}[form]
        read_labels = [label for path in labels for label in read(path, annotator)]
        found = with_annotations(found, CodeBook([*found.book, *(words or ())]), read_labels)
    plan = BuildPlan(target, parse_steps(step or ()), redraw, drop_leaks)
    with _progress("cohort") as tell:
        built = build(found, out, plan, tell)
    if clinic:
        built = clinic[0].checked(built)
        write_cohort(built)
    card = write_card(built)
    _say(built, card, getattr(found, "names", {}))


@app.command()
def consents(
    cohort: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of the cohort.")],
    key_file: Annotated[Path, typer.Option(exists=True, help="Key under which it was built.")],
    settings: Annotated[Path | None, typer.Option(exists=True, help="The clinic's.")] = None,
    only_list: Annotated[bool, typer.Option("--list", help="Take nothing out, only say who went.")] = False,
) -> None:
    """Ask again whether the patients of a cohort agree; take out who does not. Good for a day."""
    asking, _ = _consents(settings, key_file)
    held = read_cohort(cohort)
    gone = asking.denied(held, Use.LEARNING)
    if not only_list:
        write_card(asking.recheck(held)[0])
    for study in sorted(gone):
        console.print(f"{'no consent' if only_list else 'taken out'}: {study}", markup=False)
    until = "" if only_list else f"; good until {asking.good_until():%F %T} UTC"
    console.print(f"{len(gone)} studies without consent{until}")


def _consents(settings: Path | None, key_file: Path | None) -> tuple[CohortConsent, Archive]:
    """Who agrees, and the archive, of the clinic that the settings describe."""
    if key_file is None:
        expected = "a file (--key-file) that is kept"
        raise CohortRefused(
            "no key of pseudonyms", expected, "without it nobody who withdraws is found again"
        )
    read = load(settings, os.environ)
    if not Path(read.database_url.removeprefix("sqlite:///")).exists() and "sqlite" in read.database_url:
        raise CohortRefused("settings of no clinic's archive", "those of a clinic", "give --settings")
    database = Database(read.database_url)
    disk = DiskStore(read.data.folder / "objects", 0)
    store = SealedStore(disk, Keyring.read(read.data.keys)) if read.data.keys else disk
    archive, studies = Archive(database, store), Studies(database)
    rules = ConsentRules(read.consent.jurisdiction, tuple(Use(use) for use in read.consent.opt_in))
    register = Consents(database, Ledger(database), _now, rules, read.consent.issuer)

    def kept() -> Iterator[str]:
        return (state.study_instance_uid for state in studies.list(limit=_ALL))

    pseudonyms = Pseudonyms.kept_in(key_file)
    asking = CohortConsent(StudyConsents(register, archive.persons, _now), kept, pseudonyms, _now)
    return asking, archive


def _now() -> datetime:
    return datetime.now(UTC)


def _book(path: Path | None) -> CodeBook | None:
    """The code book of a JSON file: a list of concepts, as docs/cohorts.md shows."""
    if path is None:
        return None
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return CodeBook(
            Concept(**{**entry, "code": Code(**entry["code"]), "aliases": tuple(entry.get("aliases", ()))})
            for entry in held
        )
    except (ValueError, TypeError, KeyError) as fault:
        expected = "a list of concepts as docs/cohorts.md shows"
        raise CohortRefused(f"a code book of no use ({fault})", expected, "correct it", path.name) from fault


def _source(
    source: str, data: Path | None, words: CodeBook | None, site: str, key_file: Path | None
) -> Source:
    if source in PUBLISHED:
        folder = data or Path(os.environ.get("COREAD_SHARED_DATA", "../shared/data"))
        return published(source, folder)
    if not Path(source).is_dir():
        raise CohortRefused(f"{source!r}", f"a folder, or one of {', '.join(PUBLISHED)}", "name one of these")
    pseudonyms = Pseudonyms.kept_in(key_file) if key_file else Pseudonyms()
    return DicomSource(Path(source).name, words or CodeBook([]), FolderFiles(Path(source)), pseudonyms, site)


def _say(built: Cohort, card: dict[str, Any], names: dict[str, str]) -> None:
    """The main counts, and what was left out by its real name: on this screen only, never in the cohort."""
    table = Table("split", "images", "patients", title=built.name)
    for split, counts in card["splits"].items():
        table.add_row(split, str(counts["images"]), str(counts["patients"]))
    console.print(table)
    for left in built.left_out[:20]:
        console.print(f"left out: {names.get(left.what, left.what)}: {left.reason}", markup=False)
    if len(built.left_out) > 20:
        console.print(f"... {len(built.left_out) - 20} more in left_out.parquet")
    for entry in card["possible_shortcuts"][:3]:
        told = f"{entry['attribute']} goes with {entry['label']} (V = {entry['cramers_v']:.2f})"
        console.print(f"possible shortcut: {told}", markup=False)


@app.command()
def new_reader(  # noqa: PLR0913, PLR0917 - options of one command
    name: Annotated[str, typer.Argument(help="Lower case words joined by hyphens, e.g. knee-effusion.")],
    label: Annotated[str, typer.Option(help="The label that means the finding is there.")],
    into: Annotated[Path, typer.Option(file_okay=False, help="Where the package is made.")] = Path(),
    modality: Annotated[list[str] | None, typer.Option(help="Modality of its images; DX and CR.")] = None,
    title: Annotated[str, typer.Option(help="One line of English.")] = "",
    title_zh: Annotated[str, typer.Option(help="The same in Chinese.")] = "",
    data: Annotated[
        Path | None, typer.Option(exists=True, help="Labelled images; makes the bundle too.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Scaffold the package of a reader, and make its bundle where labelled images are given."""
    from coread.learning.new_reader import Wanted, make, scaffold  # noqa: PLC0415 - torch is heavy
    from coread.learning.runs.run import Run  # noqa: PLC0415

    home = scaffold(Wanted(name, label, tuple(modality or ("DX", "CR")), title, title_zh), into)
    console.print(f"written: {home}")
    if data:
        with _progress(name) as tell:
            folder = make(home, data, Run(into / f"{name}-run", seed, tell))
        _checked(folder)


app.add_typer(federation.app, name="federation")
app.add_typer(site.app, name="site")
site.ask_consents_by(lambda settings, key: _consents(settings, key)[0])

study = typer.Typer(no_args_is_help=True, help="Studies of doctors reading with and without a reader.")
app.add_typer(study, name="reader-study")

TableFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV table.")]
Into = Annotated[Path, typer.Option(file_okay=False, help="Folder to write into.")]
Grade = Annotated[str, typer.Option(help="human_trial, retrospective, simulated or synthetic.")]
Beside = Annotated[Path | None, typer.Option(exists=True, dir_okay=False)]


@contextmanager
def _refusing() -> Iterator[None]:
    """What is wrong with a table or a plan is an error of the caller, said in one line."""
    try:
        yield
    except ValueError as fault:
        raise typer.BadParameter(str(fault)) from fault


@app.command()
def evidence(  # noqa: PLR0913, PLR0917 - options of one command
    bundle: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of the bundle.")],
    into: Into = Path("evidence"),
    data_card: Beside = None,
    run: Beside = None,
    predictions: Beside = None,
    reader_study: Beside = None,
    result: Annotated[
        list[Path] | None, typer.Option(exists=True, help="Results of the lab's studies.")
    ] = None,
) -> None:
    """Write the evidence items as files, each with its grade and with what it does not show."""
    from coread.learning.evidence.gathering import open_sources  # noqa: PLC0415
    from coread.learning.evidence.writing import making_of, write_evidence  # noqa: PLC0415

    given = {"data_card": data_card, "run": run, "predictions": predictions, "reader_study": reader_study}
    with _refusing():
        sources = open_sources(bundle, {k: path for k, path in given.items() if path}, result or ())  # type: ignore[misc]
        items = write_evidence(
            sources, into, making_of(sources, datetime.now(UTC).isoformat(timespec="seconds"))
        )
    table = Table("item", "title", "status", "grade", title=str(into))
    for item in items:
        table.add_row(item.item.identifier, item.item.title, item.status, item.grade or "none")
    console.print(table)


@app.command()
def appraise(
    table: TableFile,
    threshold: Annotated[float, typer.Option(help="Calibrated probability, chosen on other patients.")],
    grade: Grade,
    into: Annotated[Path, typer.Option(dir_okay=False, help="File to write.")] = Path("predictions.json"),
    home: Annotated[str, typer.Option(help="Site where the reader was made.")] = "",
    prevalence: Annotated[float | None, typer.Option(help="Of the disease at the place of use.")] = None,
) -> None:
    """Say everything that can be said of a table of answers: areas, subgroups, calibration, failures."""
    from coread.learning.evidence import predictions  # noqa: PLC0415
    from coread.learning.runs.files import write_json  # noqa: PLC0415

    with _refusing():
        held = predictions.read_predictions(table)
        write_json(into, predictions.appraise(held, threshold, grade, home, prevalence))
    console.print(f"written: {into}")


@app.command()
def follow_version(
    table: TableFile,
    old_threshold: Annotated[float, typer.Option(help="In use with the old version.")],
    old: Annotated[str, typer.Option(help="Old version.")],
    new: Annotated[str, typer.Option(help="New version.")],
    keep: Annotated[Keep, typer.Option(help="Rate that must stay.")] = Keep.SENSITIVITY,
    into: Into = Path("thresholds"),
) -> None:
    """Choose a new version's threshold at each site, and write the record for approval."""
    from coread.learning.runs.files import write_json  # noqa: PLC0415
    from coread.learning.uncertainty import versions  # noqa: PLC0415

    with _refusing():
        found = versions.follow(versions.read_versions(table), old_threshold, keep.value)
    record = versions.as_record(found, (old, new), datetime.now(UTC).isoformat(timespec="seconds"))
    into.mkdir(parents=True, exist_ok=True)
    write_json(into / "thresholds.json", record)
    (into / "thresholds.md").write_text(versions.markdown(record), encoding="utf-8")
    console.print(versions.markdown(record), markup=False)


@study.command(name="plan")
def plan_study(
    cases: Annotated[Path, typer.Argument(exists=True, help="CSV with the columns case and truth.")],
    reader: Annotated[list[str], typer.Option(help="Name of a doctor; once for each.")],
    into: Annotated[Path, typer.Option(dir_okay=False)] = Path("plan.csv"),
    washout_days: Annotated[int, typer.Option(help="Days between both readings of a case.")] = 28,
    per_sitting: Annotated[int, typer.Option(help="Most cases in one sitting.")] = 50,
    seed: Seed = 0,
) -> None:
    """Lay out who reads which case when and how: a randomised crossover with washout."""
    from coread.learning.reader_study.conduct import crossover  # noqa: PLC0415

    with _refusing():
        plan = crossover.Plan(washout_days=washout_days, per_sitting=per_sitting, seed=seed)
        turns = crossover.crossover(reader, crossover.read_cases(cases), plan)
    crossover.write_turns(turns, into)
    console.print(f"written: {into}, {len(turns)} readings")


@study.command(name="power")
def power_of_study(
    pilot: TableFile,
    effect: Annotated[float, typer.Option(help="True difference that is to be found.")],
    grade: Grade,
) -> None:
    """Say how many cases a study needs for some numbers of doctors, from the ratings of a pilot."""
    from coread.learning.reader_study import merit, obuchowski_rockette, power, ratings  # noqa: PLC0415

    with _refusing():
        held = ratings.read_ratings(pilot, grade)
        known = power.pilot(obuchowski_rockette.table(merit.area(held)), len(held.cases))
    table = Table("doctors", "cases", "power", title=f"difference of areas {effect:g}, grade {held.grade}")
    for readers in (4, 6, 8, 12, 16, 24):
        found = power.cases_needed(known, effect, readers)
        table.add_row(
            str(readers), str(found.cases) if found else "never", f"{found.power:.3f}" if found else ""
        )
    console.print(table)


@study.command()
def analyse(  # noqa: PLR0913, PLR0917 - options of one command
    readings: TableFile,
    grade: Grade,
    without: Annotated[str, typer.Option(help="Name of the treatment without AI.")] = "without AI",
    aided: Annotated[str, typer.Option(help="Name of the treatment with AI.")] = "with AI",
    plan: Beside = None,
    washout_days: Annotated[int, typer.Option(help="As planned.")] = 28,
    into: Into = Path("reader_study"),
) -> None:
    """Analyse the readings: areas, sensitivity, specificity, reading time and reliance."""
    from coread.learning.reader_study.conduct import crossover, report, sheet  # noqa: PLC0415
    from coread.learning.runs.files import write_json  # noqa: PLC0415

    with _refusing():
        held = sheet.read_sheet(readings, (without, aided), grade)
        turns = crossover.read_turns(plan) if plan else ()
        found = report.study_report(
            held, turns, crossover.Plan((without, aided), washout_days) if plan else None
        )
    into.mkdir(parents=True, exist_ok=True)
    write_json(into / "reader_study.json", found)
    (into / "reader_study.md").write_text(report.markdown(found), encoding="utf-8")
    console.print(report.markdown(found), markup=False)


@study.command(name="try")
def try_study(
    plan: TableFile,
    cases: Annotated[Path, typer.Option(exists=True, help="CSV with the columns case and truth.")],
    into: Annotated[Path, typer.Option(dir_okay=False)] = Path("simulated_readings.csv"),
    seed: Seed = 0,
) -> None:
    """Fill a plan with simulated readings, to try the analysis before any doctor reads."""
    from coread.learning.reader_study.conduct import crossover, sheet, simulating  # noqa: PLC0415

    with _refusing():
        turns, truth = crossover.read_turns(plan), crossover.read_cases(cases)
        sheet.write_sheet(simulating.simulated_readings(turns, truth, simulating.RoeMetz(), seed), into)
    console.print(f"written: {into}; these are simulated readers, no doctors")


def main() -> None:
    """Run the command line; an error of CoRead is said in one line, with exit code 2."""
    try:
        app(prog_name="coread-lab", standalone_mode=True)
    except CoReadError as fault:
        Console(stderr=True).print(str(fault), markup=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
