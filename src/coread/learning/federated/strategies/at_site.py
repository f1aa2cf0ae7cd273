"""What happens at a site in one round, around the task: what stays there, and SCAFFOLD's bookkeeping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from typing import Any
from zlib import crc32

import numpy as np

from coread.learning.federated.strategies.arrays import difference, out_of, under
from coread.learning.federated.task import FederatedTask, Parameters, SiteData, Update


def round_seed(seed: int, site: str, round_: int) -> int:
    """Seed of one site in one round: the same in a simulation and at the site."""
    state = np.random.SeedSequence([seed, crc32(site.encode()), round_]).generate_state(1)
    return int(state[0] >> 1)


def private_names(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Those names that fit one of the patterns."""
    return [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]


def personal(given: Parameters, kept: Parameters) -> Parameters:
    """The federation's parameters with the site's own in their place: what the site reads with."""
    own = out_of("private", kept)
    return {name: own.get(name, array) for name, array in given.items()}


def take_part(
    task: FederatedTask,
    data: SiteData,
    given: Parameters,
    instructions: Mapping[str, Any],
    seed: int,
    kept: Parameters,
) -> tuple[Update, Parameters]:
    """Train in one round.

    Parameters
    ----------
    task, data
        What is trained, and on whom.
    given
        The federation's parameters.
    instructions
        From the strategy. Names that fit ``private`` stay here; with ``scaffold`` the gradient is corrected.
        Extra arrays of the task under ``stays/`` are not sent; it is told them again in its next round.
    seed
        From `round_seed`.
    kept
        What this function gave back in the site's round before; empty at first.

    Returns
    -------
    (Update, Parameters)
        What is sent, in which private names bear the values that the federation had already; and what the
        site keeps until its next round.
    """
    start = personal(given, kept)
    told = _corrected(instructions, kept, given) if instructions.get("scaffold") else instructions
    told = {**told, "arrays": {**told.get("arrays", {}), **under("stays", out_of("stays", kept))}}
    update = task.local(data, start, told, seed)
    own = out_of("stays", update.extra)
    extra = {name: array for name, array in update.extra.items() if not name.startswith("stays/")}
    update = replace(update, extra=extra)
    stays = private_names(list(given), instructions.get("private", ()))
    keep = {**kept, **under("private", {name: update.parameters[name] for name in stays})}
    keep |= under("stays", own)
    if instructions.get("scaffold"):
        update, keep = _with_control(update, start, instructions, keep)
    sent = {**update.parameters, **{name: given[name] for name in stays}}
    return replace(update, parameters=sent), keep


def _corrected(instructions: Mapping[str, Any], kept: Parameters, given: Parameters) -> Mapping[str, Any]:
    """Add ``correction/<name>``, to be added to each gradient: the federation's variate minus the site's."""
    own, shared = out_of("control", kept), out_of("control", instructions["arrays"])
    correction = {name: shared[name] - own.get(name, 0 * shared[name]) for name in given}
    return {**instructions, "arrays": under("correction", correction)}


def _with_control(
    update: Update, start: Parameters, instructions: Mapping[str, Any], kept: Parameters
) -> tuple[Update, Parameters]:
    """The site's new control variate (option II), and its change to be sent."""
    shared, own = out_of("control", instructions["arrays"]), out_of("control", kept)
    scale = 1 / (int(instructions["steps"]) * max(float(instructions["rate"]), 1e-12))
    went = difference(start, update.parameters)
    new = {n: own.get(n, 0 * c) - c + np.float32(scale) * went[n] for n, c in shared.items()}
    change = {n: new[n] - own.get(n, 0 * new[n]) for n in new}
    return replace(update, extra={**update.extra, **under("control", change)}), {
        **kept,
        **under("control", new),
    }
