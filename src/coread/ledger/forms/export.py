"""An export that an outsider can check by himself: events, heads, public keys, receipts, and the program."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from coread.errors import NotFound
from coread.ledger.canonical import canonical, to_bytes
from coread.ledger.heads.keeping import Sending
from coread.ledger.heads.notary import Notary
from coread.ledger.ledger import Ledger
from coread.ledger.records import Inclusion, StoredEvent

_READ_ME = """CoRead: export of a ledger

events.jsonl   every event, in its order         (or proofs.jsonl: some events, each with its proof)
heads.txt      signed tree heads (C2SP checkpoints): how many events there were, with which root, when
keys.jsonl     public keys; the id is the SHA-256 of the key
receipts/      what witnesses gave back, e.g. time stamps (RFC 3161)
verify.py      checks all of this, without CoRead and without its database

    python verify.py . --key ID [--witnessed FILE] [--authorities FILE]

Compare the key's ID with one that you got from somebody else than the sender of this export. That this is the
newest ledger only a witness can tell: let --witnessed name the file of heads that it keeps.
"""
_LINES = 1000


def line_of(row: StoredEvent, with_private: bool = True) -> str:
    """Write one stored event as a line of an export.

    Parameters
    ----------
    row
        As stored.
    with_private
        Whether to tell whom it was about; an event of form 1 cannot be told otherwise.
    """
    facts: dict[str, str] = json.loads(row.facts)
    line: dict[str, Any] = {
        "actor": row.actor,
        "at": row.at,
        "facts": facts,
        "kind": row.kind,
        "leaf_hash": row.leaf_hash.hex(),
        "sequence": str(row.sequence),
    }
    if row.commitment is None:
        return canonical(line | {"form": "1", "key": row.key or "", "subject": row.subject})
    is_told = with_private and row.private is not None
    private = {"facts": json.loads(row.private or "{}"), "key": row.key or "", "subject": row.subject}
    line |= {"private": private if is_told else None, "salt": (row.salt or b"").hex() if is_told else ""}
    return canonical(line | {"form": "2", "commitment": row.commitment.hex()})


def proof_line(row: StoredEvent, proof: Inclusion, with_private: bool = True) -> str:
    """Write one event with its proof of inclusion as a line of an export."""
    path = [step.hex() for step in proof.path]
    said = {"event": json.loads(line_of(row, with_private)), "path": path, "size": str(proof.size)}
    return canonical(said)


def proof_lines(
    ledger: Ledger, sequences: Sequence[int], size: int, with_private: bool = True
) -> Iterator[str]:
    """Give events of a tree of `size` events with their proofs, a line each.

    Raises
    ------
    NotFound
        If the tree has no such event.
    """
    for sequence, proof in zip(sequences, ledger.prove(sequences, size), strict=True):
        row = next(iter(ledger.stored(sequence - 1, 1)), None)
        if row is None or row.sequence != sequence:
            raise NotFound("an event that is gone", remedy="verify the ledger", where="ledger")
        yield proof_line(row, proof, with_private)


class Exporter:
    """Writes exports into folders.

    Parameters
    ----------
    ledger, notary
        What is exported, and who signs it.
    """

    def __init__(self, ledger: Ledger, notary: Notary) -> None:
        self._ledger = ledger
        self._notary = notary

    def write(self, folder: Path, with_private: bool = True) -> int:
        """Export every event under a head that is signed now; return the number of events."""
        size = self._begin(folder)
        with (folder / "events.jsonl").open("wb") as file:
            for row in self._rows(size):
                file.write(to_bytes(line_of(row, with_private)) + b"\n")
        return size

    def write_some(self, folder: Path, sequences: Sequence[int], with_private: bool = True) -> int:
        """Export some events, each with the proof that it stands under a head that is signed now.

        Raises
        ------
        NotFound
            If the ledger has no such event.
        """
        size = self._begin(folder)
        with (folder / "proofs.jsonl").open("wb") as file:
            for line in proof_lines(self._ledger, sequences, size, with_private):
                file.write(to_bytes(line) + b"\n")
        return len(sequences)

    def _begin(self, folder: Path) -> int:
        """Sign a head and write all but the events; return the head's size."""
        head = self._notary.sign()
        folder.mkdir(parents=True, exist_ok=True)
        notes = self._notary.notes()
        (folder / "heads.txt").write_bytes("".join(notes).encode())
        (folder / "keys.jsonl").write_bytes("".join(self._keys(notes)).encode())
        (folder / "README.txt").write_text(_READ_ME, encoding="utf-8")
        program = files("coread.ledger.outside").joinpath("verify.py").read_text(encoding="utf-8")
        (folder / "verify.py").write_text(program, encoding="utf-8")
        for sending in self._notary.sendings(limit=100_000):
            _keep_receipt(folder / "receipts", sending)
        return head.head.size if head else 0

    def _keys(self, notes: Sequence[str]) -> Iterator[str]:
        origin = notes[-1].partition("\n")[0] if notes else ""
        for key in self._notary.known_keys():
            line = {"id": key.id, "former": key.former_id, "origin": origin, "public_key": key.public.hex()}
            yield canonical(line | {"endorsement": key.endorsement.hex()}) + "\n"

    def _rows(self, size: int) -> Iterator[StoredEvent]:
        after = 0
        while rows := self._ledger.stored(after, _LINES):
            for row in rows:
                if row.sequence > size:
                    return
                yield row
            after = rows[-1].sequence


def _keep_receipt(folder: Path, sending: Sending) -> None:
    if sending.receipt:
        folder.mkdir(exist_ok=True)
        (folder / f"{sending.witness}-{sending.size}.tsr").write_bytes(sending.receipt)
