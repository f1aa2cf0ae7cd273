"""What a coordinator keeps, so that after a restart it goes on with the next round."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coread.errors import FederationRefused
from coread.learning.federated.arrays import read_arrays, write_arrays
from coread.learning.federated.plan.plan import Plan
from coread.learning.federated.strategies import State
from coread.learning.runs.files import write_json


class Kept:
    """The folder of one plan at the coordinator.

    Parameters
    ----------
    folder
        Of the coordinator.
    plan
        Under whose hash things are kept.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder / "plans" / plan.sha256[:16]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._state = self.folder / "state.npz"

    def save(self, round_: int, state: State) -> None:
        """Keep the state after a round, all or nothing."""
        groups = {"parameters": state.parameters, "arrays": state.arrays}
        write_arrays(self._state, groups, {"round": round_, "facts": dict(state.facts)})

    def load(self) -> tuple[int, State] | None:
        """Give the last round that was finished and the state after it."""
        held = read_arrays(self._state)
        if held is None:
            return None
        groups, facts = held
        state = State(groups.get("parameters", {}), groups.get("arrays", {}), facts["facts"])
        return int(facts["round"]), state

    def remember(self, round_: int, told: Mapping[str, Any]) -> None:
        """Add a round to the history; one that is done again takes the place of the former."""
        before = [entry for entry in self.history() if entry["round"] < round_]
        write_json(self.folder / "history.json", [*before, {"round": round_, **told}])

    def history(self) -> list[dict[str, Any]]:
        """All finished rounds."""
        found: list[dict[str, Any]] = self.read("history") or []
        return found

    def write(self, name: str, held: Any) -> None:
        """Keep JSON under a name."""
        write_json(self.folder / f"{name}.json", held)

    def read(self, name: str) -> Any:
        """Give the JSON kept under a name, or None."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def demand_finished(kept: Kept) -> tuple[State, dict[str, Any]]:
    """Return the last state and the result of a federation that has ended.

    Raises
    ------
    FederationRefused
        If it has not.
    """
    held, result = kept.load(), kept.read("result")
    if held is None or result is None:
        remedy = "run it to its end: coread-lab federation run"
        raise FederationRefused("a federation that has not ended", "its result", remedy, kept.folder.name)
    return held[1], dict(result)
