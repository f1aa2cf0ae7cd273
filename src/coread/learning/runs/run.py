"""A resumable run: one folder, one seed, states that are whole or absent, and someone told of progress."""

from __future__ import annotations

import fcntl
import json
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch

from coread.errors import RunRefused
from coread.learning.runs.files import replace_file, write_json

Tell = Callable[[str, float], None]
"""Told a line of text and the share of the work done, 0..1."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def nobody(text: str, share: float) -> None:
    """Hear of progress and do nothing."""


class Run:
    """One run of one recipe with one seed, in one folder.

    Parameters
    ----------
    folder
        Made if it is not there. What an earlier process kept there is gone on from.
    seed
        Of every random draw; a folder keeps to the seed with which it was begun.
    tell
        Told of progress.

    Raises
    ------
    RunRefused
        If the folder was begun with another seed.
    """

    def __init__(self, folder: Path, seed: int = 0, tell: Tell = nobody) -> None:
        self.folder = folder
        self.seed = seed
        self._tell = tell
        folder.mkdir(parents=True, exist_ok=True)
        self._keep_to("seed", seed)

    def _keep_to(self, name: str, value: object) -> None:
        facts = self.read_json("run") or {}
        if facts.get(name, value) != value:
            remedy = "choose another folder, or the value with which this run was begun"
            raise RunRefused(f"{name} {value!r}", f"{name} {facts[name]!r}", remedy, self.folder.name)
        if name not in facts:
            self.write_json("run", {**facts, name: value})

    def keep_to(self, **facts: object) -> None:
        """Bind the folder to facts (recipe, plan, data hash); the same values must be given at each return.

        Raises
        ------
        RunRefused
            If the folder was begun with another value.
        """
        for name, value in facts.items():
            self._keep_to(name, json.loads(json.dumps(value)))

    def progress(self, text: str, share: float) -> None:
        """Tell what is going on, and the share of it that is done (0..1)."""
        self._tell(text, min(max(share, 0.0), 1.0))

    def path(self, name: str) -> Path:
        """Where a file of the run lies; a name may hold folders, which are made.

        Raises
        ------
        ValueError
            If the name would leave the run's folder.
        """
        if not all(_NAME.fullmatch(part) for part in name.split("/")):
            raise ValueError(f"a file of a run has a plain relative name; found {name!r}")
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def save(self, name: str, state: Any) -> None:
        """Keep tensors and plain values under a name, all or nothing (``<name>.pt``)."""
        replace_file(self.path(f"{name}.pt"), lambda file: torch.save(state, file))

    def load(self, name: str) -> Any | None:
        """Give what `save` kept under a name, or None.

        Raises
        ------
        RunRefused
            If the file is broken.
        """
        path = self.path(f"{name}.pt")
        if not path.exists():
            return None
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as fault:
            remedy = "delete this file; the run then begins anew at this point"
            raise RunRefused("a state that cannot be read", "what a run saved", remedy, path.name) from fault

    def write_json(self, name: str, data: Any) -> None:
        """Keep JSON under a name, all or nothing (``<name>.json``), numbers rounded to 6 digits."""
        write_json(self.path(f"{name}.json"), data)

    def read_json(self, name: str) -> Any | None:
        """Give the JSON kept under a name, or None."""
        path = self.path(f"{name}.json")
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def rng(self, purpose: str, *more: int) -> np.random.Generator:
        """Give a generator for one purpose: a function of seed, purpose and `more` (e.g. the epoch)."""
        return np.random.default_rng([self.seed, crc32(purpose.encode()), *more])

    def remember(self, step: int, **figures: float) -> None:
        """Add figures of a step (e.g. an epoch) to ``history.json``, which the report draws.

        Steps from this one on that an earlier, killed process had noted are forgotten first.
        """
        before = [entry for entry in self.read_json("history") or [] if entry["step"] < step]
        self.write_json("history", [*before, {"step": step, **figures}])

    def part(self, name: str, seed: int | None = None, tell: Tell | None = None) -> Run:
        """Give a run in a folder below, e.g. one arm or one seed of a study."""
        folder = self.path(f"{name}/run.json").parent
        return Run(folder, self.seed if seed is None else seed, tell or self._tell)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder, so that no second process writes into it.

        Raises
        ------
        RunRefused
            If another process holds it.
        """
        with self.path("lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as fault:
                remedy = "wait for it, or choose another folder"
                raise RunRefused("another process at work", "a free folder", remedy, "lock") from fault
            yield
