"""Steps as text, and the same steps again."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Sequence

from coread.errors import CohortRefused
from coread.learning.cohorts.harmonising.picture import Picture
from coread.learning.cohorts.harmonising.steps import STEPS, Step


def replay(picture: Picture, steps: Iterable[Step]) -> Picture:
    """Do the steps, one after the other.

    Raises
    ------
    ValueError
        If a step does not fit the picture's unit or spacing.
    """
    for step in steps:
        picture = STEPS[step.name](picture, **step.parameters)
    return picture


def replayed(picture: Picture, record: str) -> Picture:
    """Do what a manifest's row says was done."""
    return replay(picture, [Step(name, parameters) for name, parameters in json.loads(record)])


def recorded(steps: Sequence[Step]) -> str:
    """Steps as the manifest keeps them."""
    return json.dumps([[step.name, dict(step.parameters)] for step in steps])


def parse_steps(texts: Iterable[str]) -> tuple[Step, ...]:
    """Steps as a person writes them: ``window:centre=-600,width=1500``, ``fit:side=256``, ``score``.

    Raises
    ------
    CohortRefused
        If there is no such step, or its numbers are not those it takes.
    """
    return tuple(_parsed(text) for text in texts)


def _parsed(text: str) -> Step:
    name, _, rest = text.partition(":")
    if name not in STEPS:
        raise _refused(text, f"one of {', '.join(sorted(STEPS))}")
    wanted = inspect.signature(STEPS[name]).parameters
    try:
        pairs = [entry.split("=") for entry in rest.split(",") if entry]
        numbers = {key: json.loads(value) for key, value in pairs}
        inspect.signature(STEPS[name]).bind(None, **numbers)
    except (ValueError, TypeError) as fault:
        raise _refused(text, f"{name} with {', '.join(list(wanted)[1:]) or 'nothing'}") from fault
    return Step(name, numbers)


def _refused(text: str, expected: str) -> CohortRefused:
    return CohortRefused(f"the step {text!r}", expected, "write it as name:number=value,number=value")
