"""The recipe of the CT nodule reader, as the lab's command line finds it."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coread.learning.nodule.cohort import lidc
from coread.learning.nodule.packing.shipping import appraise, make_bundle
from coread.learning.nodule.rating.malignancy import Scale
from coread.learning.nodule.teaching import teach
from coread.learning.runs.run import Run


class CtNoduleRecipe:
    """Trains, packs and appraises the reader that answers where a doctor points at a nodule."""

    name = "ct-nodule"
    title = "CT lung nodule at a point or box: outline, sizes, characteristics, rated malignancy"

    def __init__(self, scale: Scale | None = None) -> None:
        self.scale = scale or Scale()

    def train(self, data: Path, run: Run) -> None:
        """Train the outlining network; a stopped run is gone on from."""
        teach(lidc(data), run, self.scale.plan, self.scale.at_most)

    def bundle(self, data: Path, run: Run, folder: Path) -> None:
        """Write network, gate, characteristics, cases, intervals and calibration."""
        make_bundle(data, run, folder, self.scale)

    def evaluate(self, data: Path, run: Run, folder: Path) -> None:
        """Read the test split once; write evaluation and card."""
        appraise(data, run, folder, self.scale, self._origin(run))

    def explain(self, data: Path, run: Run, folder: Path) -> None:
        """Nothing beyond `evaluate`: the explanation is the bottleneck itself, appraised there.

        No heat map is made, so none is shown; what a correction does to the answer is part of the
        evaluation.
        """

    def _origin(self, run: Run) -> dict[str, Any]:
        steps = " && ".join(f"coread-lab {step} {self.name}" for step in ("train", "bundle", "evaluate"))
        git = ("git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD")
        head = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
        return {
            "command": steps, "commit": head or "unknown", "seed": run.seed, "plan": asdict(self.scale.plan),
            "machine": {"processor": platform.machine(), "system": platform.system(),
                        "python": platform.python_version(), "torch": torch.__version__,
                        "numpy": np.__version__},
        }  # fmt: skip


recipe = CtNoduleRecipe()
