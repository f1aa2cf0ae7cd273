"""Checks of updates before they are combined; what is turned away is on record with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.learning.federated.orders import Answer
from coread.learning.federated.plan.plan import Checks
from coread.learning.federated.secure_aggregation.ring import MOST_EXAMPLES
from coread.learning.federated.task import Parameters, Update


def read_update(answer: Answer, before: Parameters) -> Update | str:
    """Make an update of an answer, or say what is wrong with it.

    Parameters
    ----------
    answer
        A site's.
    before
        The parameters that it was given.
    """
    arrays, examples = answer.arrays.get("parameters", {}), answer.facts.get("examples")
    if not isinstance(examples, int) or not 0 < examples <= MOST_EXAMPLES:
        return f"{examples!r} training examples"
    fault = _fault(arrays, before) or _not_finite(answer.arrays.get("extra", {}))
    if fault:
        return fault
    metrics = {k: float(v) for k, v in dict(answer.facts.get("metrics", {})).items() if _is_number(v)}
    return Update(dict(arrays), examples, metrics, dict(answer.arrays.get("extra", {})))


def outliers(updates: Mapping[str, Update], before: Parameters, checks: Checks) -> dict[str, str]:
    """Find updates that are far larger than the others', with the reason.

    A change is compared with the median of the round where three sites or more answered, and with the
    parameters themselves in any case.
    """
    norms = {site: change_norm(update.parameters, before) for site, update in updates.items()}
    own = max(norm(before), 1.0)
    found = {
        site: f"a change {size / own:.3g} times as large as the parameters; at most {checks.largest_change:g}"
        for site, size in norms.items()
        if size > checks.largest_change * own
    }
    middle = median(norms.values()) if len(norms) >= 3 else 0.0
    for site, size in norms.items():
        if middle > 0 and size > checks.largest_ratio * middle:
            ratio = f"a change {size / middle:.3g} times the median of the round"
            found[site] = f"{ratio}; at most {checks.largest_ratio:g}"
    return found


def norm(parameters: Mapping[str, NDArray[Any]]) -> float:
    """Euclidean norm over all arrays."""
    return float(np.sqrt(sum(float(np.sum(np.square(a, dtype=np.float64))) for a in parameters.values())))


def change_norm(after: Parameters, before: Parameters) -> float:
    """Norm of the difference, over the arrays of `before`."""
    return norm({name: after[name].astype(np.float64) - before[name] for name in before})


def _fault(arrays: Mapping[str, NDArray[Any]], before: Parameters) -> str:
    if set(arrays) != set(before):
        odd = sorted(set(arrays) ^ set(before))[:3]
        return f"other arrays than those of the model: {', '.join(odd)}"
    for name, array in arrays.items():
        if array.shape != before[name].shape:
            return f"{name} of shape {list(array.shape)}, not {list(before[name].shape)}"
        if array.dtype != np.float32:
            return f"{name} of type {array.dtype}, not float32"
    return _not_finite(arrays)


def _not_finite(arrays: Mapping[str, NDArray[Any]]) -> str:
    bad = [name for name, array in arrays.items() if not np.all(np.isfinite(array))]
    return f"values that are not finite in {', '.join(bad[:3])}" if bad else ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))
