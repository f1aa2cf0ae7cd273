"""All cached looks at one cohort by name, made when they are first asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from coread.learning.chest.cohort import Radiograph, Split, chest_cohort
from coread.learning.chest.sites.harmonise import central, local, matched, reference_curve
from coread.learning.chest.sites.looks import Change, Eye, Look, Seen, eye_of, looked
from coread.learning.chest.sites.trunks import imagenet_net
from coread.learning.chest.transfer import FEATURES, ChestNet

Float = NDArray[np.float32]
Rows = NDArray[np.int64]

MEANS = 1432
"""Mean responses that lead the pooled features: 1280 of the last layer, 40 and 112 of the levels."""

QUICK_STEP = 12
"""A quick study takes every so manieth patient: enough to try every line, too few to believe a figure."""


@dataclass
class Atlas:
    """A cohort and what two trunks saw of it.

    Attributes
    ----------
    data
        Folder of the published sets.
    folder
        Of the cache.
    tell
        Told of progress.
    tuned
        The trained network whose trunk is looked through beside the one that it came from; None for none.
    quick
        Take few patients.
    changes
        Further named looks: what is done to an image first.
    """

    data: Path
    folder: Path
    tell: Callable[[str, float], None]
    tuned: ChestNet | None = None
    quick: bool = False
    changes: dict[str, Change] = field(default_factory=dict)
    _held: dict[str, Seen] = field(default_factory=dict)
    _eyes: dict[str, Eye] = field(default_factory=dict)

    @cached_property
    def items(self) -> list[Radiograph]:
        """The radiographs, adults first."""
        cohort = chest_cohort(self.data)
        return [i for n, i in enumerate(cohort) if n % QUICK_STEP == 0] if self.quick else list(cohort)

    def rows(self, split: Split, site: str | None = None) -> Rows:
        """Where the radiographs of a split, and of a source if one is named, stand among `items`."""
        return np.array(
            [n for n, i in enumerate(self.items) if i.split == split and site in (None, i.site)],
            dtype=np.int64,
        )

    def some(self, rows: Rows) -> list[Radiograph]:
        """The radiographs at these places."""
        return [self.items[n] for n in rows]

    def truth(self, rows: Rows) -> NDArray[np.int64]:
        """Opacity, 0 or 1, at these places."""
        return np.array([self.items[n].opacity for n in rows])

    def patients(self, rows: Rows) -> list[str]:
        """Patients at these places."""
        return [self.items[n].patient for n in rows]

    def seen(self, name: str, trunk: str = "imagenet") -> Seen:
        """What a trunk saw: `plain`, `raw`, `matched`, `local` or `central` of all radiographs.

        Parameters
        ----------
        name
            Of the look; `disturbed 1`, `raw disturbed 1` and so on are of the training radiographs only,
            `mirrored` of all others only.
        trunk
            `imagenet`, `tuned` or `plain`: the trunk as it came behind the low pass of the tuned one.
        """
        key = f"{self._mark(trunk)}-{name.replace(' ', '-')}"
        if key not in self._held:
            self._held[key] = self._looked(name, trunk, key)
        return self._held[key]

    def _mark(self, trunk: str) -> str:
        """Name of a trunk in the cache: other weights are another trunk."""
        if trunk == "imagenet" or self.tuned is None:
            return trunk
        blur = [] if len(self.tuned.kernel) == 1 else [self.tuned.kernel]
        if trunk == "plain":
            return f"softened-{_digest(blur)}" if blur else "imagenet"
        return f"{trunk}-{_digest([*self.tuned.trunk.state_dict().values(), *blur])}"

    def _looked(self, name: str, trunk: str, key: str) -> Seen:
        return looked(
            self.some(self._rows_of(name)),
            self._look(name, key),
            partial(self._shown_to, trunk),
            self.folder,
            self.tell,
        )

    def _shown_to(self, trunk: str, inputs: Float) -> Seen:
        return self.eye(trunk)(inputs)

    def eye(self, trunk: str = "imagenet") -> Eye:
        """A trunk at work, made when it is first asked for."""
        if trunk not in self._eyes:
            net = self.tuned if trunk == "tuned" else self.plain if trunk == "plain" else self.imagenet
            if net is None:
                raise ValueError("expected a tuned network, found none")
            self._eyes[trunk] = eye_of(net, self.folder)
        return self._eyes[trunk]

    def _rows_of(self, name: str) -> Rows:
        """Which radiographs a look is taken of."""
        if "disturbed" in name:
            return self.rows("train")
        return self.judged if name == "mirrored" else np.arange(len(self.items))

    @cached_property
    def judged(self) -> Rows:
        """Where the radiographs stand from which nothing is learned: validation and test."""
        return np.sort(np.concatenate([self.rows("val"), self.rows("test")]))

    def _look(self, name: str, key: str) -> Look:
        if "disturbed" in name:
            return Look(key, disturbed=int(name.rsplit(maxsplit=1)[-1]), raw=name.startswith("raw"))
        changes = {"local": local, "central": central, **self.changes}
        change = matched(self._curve) if name == "matched" else changes.get(name)
        return Look(key, mirrored=name == "mirrored", change=change, raw=name == "raw")

    @cached_property
    def imagenet(self) -> ChestNet:
        """The trunk as it came."""
        return imagenet_net()

    @cached_property
    def plain(self) -> ChestNet:
        """The trunk as it came, behind the low pass of the tuned one if that has any."""
        if self.tuned is None or len(self.tuned.kernel) == 1:
            return self.imagenet
        net = imagenet_net()
        net.kernel = self.tuned.kernel
        return net

    @cached_property
    def _curve(self) -> NDArray[np.floating]:
        return reference_curve(self.some(self.rows("train")))

    def scored(
        self, head: Callable[[Float], NDArray[np.float64]], trunk: str = "imagenet"
    ) -> NDArray[np.float64]:
        """Scores [image] of a head on the mean responses; of judged images, mean of both sides.

        Parameters
        ----------
        head
            Scores of features [n, 1432].
        trunk
            As for `seen`.
        """
        score = head(self.means("plain", trunk))
        score[self.judged] = (score[self.judged] + head(self.means("mirrored", trunk))) / 2
        return score

    def last(self, name: str = "plain", trunk: str = "imagenet") -> Float:
        """Mean responses of the last layer [image, 1280]."""
        return self.seen(name, trunk).pooled[:, :FEATURES]

    def means(self, name: str = "plain", trunk: str = "imagenet") -> Float:
        """Mean responses of the last layer and of the levels [image, 1432]."""
        return self.seen(name, trunk).pooled[:, :MEANS]


def _digest(values: Iterable[Tensor]) -> str:
    """Name of some weights."""
    digest = hashlib.sha256()
    for held in values:
        digest.update(np.ascontiguousarray(held.detach().numpy()).tobytes())
    return digest.hexdigest()[:8]
