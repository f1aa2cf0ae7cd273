"""How often the test patients were looked at: looking again with other weights makes figures optimistic."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from coread.learning.runs.run import Run

LOOKS = "looks"


def note_look(run: Run, bundle: Path) -> int:
    """Put on record that the networks of a bundle are about to read the test patients.

    Parameters
    ----------
    run
        Whose folder keeps the record (``looks.json``).
    bundle
        Folder with the networks.

    Returns
    -------
    int
        How many different networks of this run have looked, this one counted.
    """
    looks = run.read_json(LOOKS) or []
    digest = _networks(bundle)
    run.write_json(
        LOOKS, [*looks, {"networks": digest, "at": datetime.now(UTC).isoformat(timespec="seconds")}]
    )
    return len({look["networks"] for look in looks} | {digest})


def _networks(bundle: Path) -> str:
    """One digest over all networks of a bundle."""
    lines = [f"{p.name} {hashlib.sha256(p.read_bytes()).hexdigest()}" for p in sorted(bundle.glob("*.onnx"))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
