"""The notary: signs heads of the log, shows them to witnesses, and asks them what they saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from coread.domain.event import Event
from coread.errors import DeliveryFault, SettingsFault
from coread.ledger.canonical import utc_text
from coread.ledger.checking import Checked
from coread.ledger.heads import keeping
from coread.ledger.heads.head import SignedHead, TreeHead, hash_of_key, read_note
from coread.ledger.heads.keeping import KnownKey, Sending
from coread.ledger.heads.keys import SigningKey, endorsement_text, load, load_or_make, verifies
from coread.ledger.heads.witness import Witness
from coread.ledger.ledger import Ledger
from coread.ledger.merkle import Hash
from coread.ledger.records import LedgerFault, Transactions

_LOG = "ledger"
_ACTOR = "system"


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification found."""

    checked: Checked
    """The ledger against itself and its signed heads."""
    against_witnesses: tuple[tuple[str, LedgerFault], ...]
    """Faults that a witness's memory shows, with its name."""
    away: tuple[str, ...]
    """Witnesses that could not be asked."""
    unendorsed: tuple[str, ...]
    """Ids of keys, after the first, for which no former key vouches."""

    @property
    def faults(self) -> tuple[LedgerFault, ...]:
        """All faults."""
        return (*self.checked.faults, *(fault for _, fault in self.against_witnesses))


class Notary:
    """Signs heads of one ledger.

    Parameters
    ----------
    database, ledger
        The log, and where it lies.
    key_file
        PEM file of the key; made when it is first needed and is not there.
    clock
        Tells the time, in UTC.
    origin
        Name of the log; empty: made of the first key.
    witnesses
        To whom heads are shown.
    """

    def __init__(
        self,
        database: Transactions,
        ledger: Ledger,
        key_file: Path,
        clock: Callable[[], datetime],
        origin: str = "",
        witnesses: Sequence[Witness] = (),
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._key_file = key_file
        self._clock = clock
        self._origin = origin
        self.witnesses: tuple[Witness, ...] = tuple(witnesses)

    # Heads

    def sign(self) -> SignedHead | None:
        """Sign the log as it is; if nothing was added since the last head, return that one.

        A clock that was set back never makes a head older than the one before it.

        Returns
        -------
        SignedHead or None
            None for a log without events.

        Raises
        ------
        SettingsFault
            If the key cannot be used.
        """
        key = load_or_make(self._key_file)
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            last = keeping.last_head(connection)
            edge = self._ledger.edge_in(connection)
            if not edge.size or (last and last.head.size >= edge.size):
                return last
            self._take(connection, key)
            edge = self._ledger.edge_in(connection)
            now = self._clock()
            at = max(now, last.head.at) if last else now
            head = TreeHead(self._name(connection), edge.size, edge.root(), at)
            signed = SignedHead(head, hash_of_key(head.origin, key.public), key.sign(head.text.encode()))
            keeping.add_head(connection, signed, [witness.name for witness in self.witnesses])
            return signed

    def last_head(self) -> SignedHead | None:
        """Return the newest head; None if none was signed yet."""
        with self._database.read() as connection:
            return keeping.last_head(connection)

    def head_at(self, size: int) -> SignedHead | None:
        """Return the head of a size; None if none was signed at it."""
        with self._database.read() as connection:
            return keeping.head_of(connection, size)

    def notes(self) -> list[str]:
        """Return every head as its note, by size."""
        with self._database.read() as connection:
            return [note for _, note in keeping.notes(connection)]

    def known_keys(self) -> list[KnownKey]:
        """Return the public keys, the first one first."""
        with self._database.read() as connection:
            return keeping.keys(connection)

    def rotate(self) -> SigningKey:
        """Take a new key into use; the old one vouches for it, and its file is kept beside under its id.

        Raises
        ------
        SettingsFault
            If the present key cannot be used.
        """
        self.sign()
        old, new = load_or_make(self._key_file), SigningKey.new()
        waiting = self._key_file.with_name(f"{self._key_file.name}.{new.id[:12]}.new")
        new.write(waiting)
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            self._take(connection, old)
            self._add_key(connection, new, old)
        self._key_file.rename(self._key_file.with_name(f"{self._key_file.name}.{old.id[:12]}.old"))
        waiting.rename(self._key_file)
        return load(self._key_file)

    def origin(self) -> str:
        """Return the log's name: as it was set, else as its first key says; empty before there is a key."""
        with self._database.read() as connection:
            return self._name(connection, load(self._key_file) if self._key_file.exists() else None)

    # Witnesses

    def show(self) -> None:
        """Send the newest head to each witness that has not seen it; to one that is away, later again."""
        for witness in self.witnesses:
            self._show_to(witness)

    def sendings(self, limit: int = 100) -> list[Sending]:
        """Return what became of heads at witnesses, the newest first."""
        with self._database.read() as connection:
            return keeping.sendings(connection, limit)

    def ask(self) -> tuple[tuple[tuple[str, LedgerFault], ...], tuple[str, ...]]:
        """Compare the log with the newest head that each witness keeps.

        Returns
        -------
        faults, away
            Faults with the witness's name; names of witnesses that could not be asked.
        """
        faults: list[tuple[str, LedgerFault]] = []
        away: list[str] = []
        origin = self.origin()
        for witness in self.witnesses:
            try:
                seen = witness.latest(origin)
            except DeliveryFault:
                away.append(witness.name)
                continue
            if seen and (fault := self._compared(seen)):
                faults.append((witness.name, fault))
        return tuple(faults), tuple(away)

    def watch(self) -> tuple[tuple[str, LedgerFault], ...]:
        """Ask the witnesses; what they tell against the log goes on record, once."""
        faults, _ = self.ask()
        for name, fault in faults:
            facts = {"what": fault.what, "witness": name, "size": str(fault.sequence)}
            key = f"ledger.fault-found:{name}:{fault.what}:{fault.sequence}"
            self._ledger.append(Event("ledger.fault-found", _LOG, _ACTOR, self._clock(), facts, key))
        return faults

    def verify(self) -> Verified:
        """Check the log against itself, its signed heads and its witnesses."""
        with self._database.read() as connection:
            notes, keys = keeping.notes(connection), keeping.keys(connection)
        heads, unsigned = checked_heads(notes, keys)
        faults, away = self.ask()
        return Verified(self._ledger.check(heads, unsigned), faults, away, unendorsed(keys, notes))

    def _show_to(self, witness: Witness) -> None:
        with self._database.read() as connection:
            size = keeping.due(connection, witness.name, self._clock())
            head = keeping.head_of(connection, size) if size else None
        if head is None:
            return
        try:
            receipt = witness.send(head)
        except DeliveryFault as fault:
            with self._database.write() as connection:
                again = fault.retriable
                keeping.mark_failed(connection, witness.name, size, str(fault), again, self._clock())
            return
        with self._database.write() as connection:
            keeping.mark_sent(connection, witness.name, size, receipt, self._clock())

    def _compared(self, seen: SignedHead) -> LedgerFault | None:
        size = seen.head.size
        if not is_signed(seen, [key.public for key in self.known_keys()] + self._present_key()):
            return LedgerFault(size, "signature")
        if size > self._ledger.size():
            return LedgerFault(size, "rolled-back")
        return None if self._ledger.root(size) == seen.head.root else LedgerFault(size, "rewritten")

    # Keys

    def _present_key(self) -> list[bytes]:
        """Return the key of the file: a database that was rolled back may not know it."""
        try:
            return [load(self._key_file).public]
        except SettingsFault:
            return []

    def _take(self, connection: Connection, key: SigningKey) -> None:
        """Put a key on record that is used for the first time."""
        if key.id not in {known.id for known in keeping.keys(connection)}:
            self._add_key(connection, key, None)

    def _add_key(self, connection: Connection, key: SigningKey, former: SigningKey | None) -> None:
        name = self._name(connection, key)
        endorsement = former.sign(endorsement_text(name, key.public)) if former else b""
        now = self._clock()
        facts = {"new_key": key.id, "old_key": former.id if former else ""}
        self._ledger.append_in(connection, [Event("ledger.key-taken", _LOG, _ACTOR, now, facts)])
        size = self._ledger.edge_in(connection).size
        former_id = former.id if former else ""
        known = KnownKey(key.id, key.public, size, utc_text(now), former_id, endorsement)
        keeping.add_key(connection, known)

    def _name(self, connection: Connection, first: SigningKey | None = None) -> str:
        """Return the log's name: as it was set, else as its first key says."""
        if self._origin:
            return self._origin
        known = keeping.keys(connection)
        id = known[0].id if known else first.id if first else ""
        return f"coread-{id[:12]}" if id else ""


def is_signed(signed: SignedHead, public_keys: Sequence[bytes]) -> bool:
    """Tell whether one of the keys signed a head."""

    def by(key: bytes) -> bool:
        is_named = hash_of_key(signed.head.origin, key) == signed.key_hash
        return is_named and signed.is_signed_by(lambda signature, data: verifies(key, signature, data))

    return any(by(key) for key in public_keys)


def checked_heads(
    notes: Sequence[tuple[int, str]], keys: Sequence[KnownKey]
) -> tuple[Mapping[int, Hash], frozenset[int]]:
    """Read kept heads; return root by size, and the sizes of those that no key signed or that say another."""
    publics = [key.public for key in keys]
    roots: dict[int, Hash] = {}
    unsigned: set[int] = set()
    latest = ""
    for size, note in notes:
        try:
            signed = read_note(note)
        except (TypeError, ValueError):
            unsigned.add(size)
            continue
        at = utc_text(signed.head.at)
        if signed.head.size != size or at < latest or not is_signed(signed, publics):
            unsigned.add(size)
        roots[signed.head.size], latest = signed.head.root, max(at, latest)
    return roots, frozenset(unsigned)


def unendorsed(keys: Sequence[KnownKey], notes: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """Return the ids of keys, after the first, for which no former key vouches."""
    publics = {key.id: key.public for key in keys}
    names = {note.partition("\n")[0] for _, note in notes}

    def is_vouched(key: KnownKey) -> bool:
        former = publics.get(key.former_id)
        return former is not None and any(
            verifies(former, key.endorsement, endorsement_text(name, key.public)) for name in names
        )

    return tuple(key.id for key in keys[1:] if not is_vouched(key))
