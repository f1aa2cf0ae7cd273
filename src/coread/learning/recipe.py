"""What a recipe is: one way to make, appraise and pack one reader, found by entry point like the readers.

A recipe is offered under the entry point group ``coread.recipes``, so that a package of its own can bring
one; those that ship come in the same way. Nothing of a recipe is imported until it is asked for by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from coread.errors import RecipeUnavailable

if TYPE_CHECKING:
    from coread.learning.runs.run import Run

GROUP = "coread.recipes"

STEPS = ("train", "bundle", "evaluate", "explain")
"""The verbs of a recipe, in the order in which a reader is made."""


@runtime_checkable
class Recipe(Protocol):
    """One way to make one reader. Each step may be killed at any moment and called again.

    The order is train, bundle, evaluate, explain. Only `evaluate` and `explain` may look at the test
    split; every threshold, calibration and gate is fixed before, on validation patients.
    """

    name: str
    """Name on the command line and of the reader, e.g. ``ct-nodule``."""
    title: str
    """One line of English for a list."""

    def train(self, data: Path, run: Run) -> None:
        """Train on training patients, choosing by validation patients, or go on where it was stopped.

        Parameters
        ----------
        data
            Folder of the published sets, or of a cohort.
        run
            Where to keep checkpoints and weights, with seed and progress.
        """
        ...

    def bundle(self, data: Path, run: Run, folder: Path) -> None:
        """Write network, calibration and gate into `folder`, from training and validation patients only."""
        ...

    def evaluate(self, data: Path, run: Run, folder: Path) -> None:
        """Read the test split once; write ``evaluation.json`` and ``card.json`` (a clinic can open it).

        Figures are ``{"value", "lower", "upper", "n"}`` with naive baselines, subgroups and the grade of
        evidence beside them.
        """
        ...

    def explain(self, data: Path, run: Run, folder: Path) -> None:
        """Measure how faithful the explanations are, as a part of ``evaluation.json``; renew the card."""
        ...


class Recipes(Mapping[str, Recipe]):
    """Installed recipes by name, each loaded when it is first asked for.

    Parameters
    ----------
    points
        Entry points; where two bear one name, neither is used.
    """

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self._points: dict[str, list[EntryPoint]] = {}
        for point in points:
            self._points.setdefault(point.name, []).append(point)

    def __getitem__(self, name: str) -> Recipe:
        """Load a recipe.

        Raises
        ------
        RecipeUnavailable
            If there is none of this name, or several, or it cannot be loaded, or it is no recipe.
        """
        points = self._points.get(name, [])
        if len(points) != 1:
            known = ", ".join(sorted(self._points)) or "none is installed"
            found = f"{len(points)} recipes named {name!r}"
            raise RecipeUnavailable(found, f"one of: {known}", "name an installed recipe")
        return _loaded(points[0])

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._points))

    def __len__(self) -> int:
        return len(self._points)


def _loaded(point: EntryPoint) -> Recipe:
    try:
        recipe = point.load()
    except (ImportError, AttributeError) as fault:
        remedy = "install what it needs, for the lab: pip install 'coread[lab]'"
        raise RecipeUnavailable(str(fault), "an importable recipe", remedy, point.value) from fault
    if not isinstance(recipe, Recipe):
        expected = "an object with name, title, " + ", ".join(STEPS)
        raise RecipeUnavailable(f"a {type(recipe).__name__}", expected, "mend the entry point", point.value)
    return recipe


def recipes(points: Iterable[EntryPoint] | None = None) -> Recipes:
    """All recipes of this installation by name, loaded lazily.

    Parameters
    ----------
    points
        Entry points; those of the group ``coread.recipes`` if left out.
    """
    return Recipes(entry_points(group=GROUP) if points is None else points)
