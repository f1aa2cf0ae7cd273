"""Check an export of a CoRead ledger: one file, no database, nothing of CoRead.

Usage: python verify.py EXPORT [--key ID]... [--witnessed FILE] [--authorities FILE]

EXPORT is a folder or a zip. It needs Python 3.11, and for signatures the package ``cryptography`` or the
program ``openssl``; for time stamps the program ``openssl``. It was written apart from the ledger's own code
on purpose: it shares nothing with it but the published rules (RFC 6962 for the tree, RFC 8032 for signatures,
RFC 2104 for commitments, RFC 3161 for time stamps), so that a fault of one is not hidden by the other.

What it finds: any byte changed, any event removed, inserted or moved, any head or key that does not fit. What
it cannot find alone: an export of an older ledger. Give it a head that a witness keeps (--witnessed), or
compare the size that it prints.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import io
import itertools
import json
import re
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_HEAD = re.compile(
    r"(([^\s+]+)\n([1-9][0-9]{0,17})\n([A-Za-z0-9+/]{43}=)\n([0-9T:.Z-]{27})\n)\n"
    r"— ([^\s+]+) ([A-Za-z0-9+/]{91}=)\n"
)
_LARGE = {"events.jsonl", "proofs.jsonl"}
_FORGOTTEN = "forgotten"
_EMPTY_TIME = "1970-01-01T00:00:00.000000Z"
_DER_OF_ED25519 = bytes.fromhex("302a300506032b6570032100")  # RFC 8410, before the 32 bytes of the key


@dataclass
class Report:
    """What was found."""

    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    size: int = 0
    root: str = ""
    signed_size: int = 0

    @property
    def is_good(self) -> bool:
        """Whether nothing speaks against the export."""
        return not self.faults


@dataclass(frozen=True)
class Head:
    """One signed tree head."""

    text: str
    origin: str
    size: int
    root: bytes
    at: str
    key_hash: bytes
    signature: bytes


#: No file of an export but its events and proofs is larger; those are read line by line.
MOST_BYTES = 256 << 20

#: What reading a damaged folder or zip may raise.
UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)


def verify_export(
    source: Path,
    pinned: Sequence[str] = (),
    witnessed: str = "",
    authorities: Path | None = None,
) -> Report:
    """Check an export.

    Parameters
    ----------
    source
        Folder or zip.
    pinned
        Ids of keys that the outsider trusts; without any, the export's first key is taken on its own word.
    witnessed
        Heads that a witness keeps, as text.
    authorities
        PEM file of the authorities behind time stamps; none: they are not checked.
    """
    report = Report()
    try:
        files = read_files(source)
        heads = read_heads(files.get("heads.txt", b"").decode(), "heads.txt", report)
        origins = {head.origin for head in heads}
        keys = read_keys(files.get("keys.jsonl", b""), pinned, origins, report)
        seen = read_heads(witnessed, "witnessed", report) if witnessed else []
    except UNREADABLE as error:
        report.faults.append(f"export: cannot be read ({type(error).__name__})")
        return report
    check_signatures([*heads, *seen], keys, report)
    roots = {head.size: head.root for head in heads}
    try:
        check_contents(source, files, roots, seen, report)
    except UNREADABLE as error:
        report.faults.append(f"export: cannot be read ({type(error).__name__})")
    if not files.keys() & _LARGE:
        report.faults.append("export: holds neither events nor proofs")
    report.signed_size = max(roots, default=0)
    if authorities:
        check_stamps(files, heads, authorities, report)
    return report


def check_contents(
    source: Path, files: Mapping[str, bytes], roots: Mapping[int, bytes], seen: Sequence[Head], report: Report
) -> None:
    """Check the events, or the single events with their proofs, line by line: they may be many."""
    if "events.jsonl" in files:
        check_events(stream(source, "events.jsonl"), roots, seen, report)
    if "proofs.jsonl" in files:
        check_proofs(stream(source, "proofs.jsonl"), roots, report)


def read_files(source: Path) -> Mapping[str, bytes]:
    """Read every file of a folder or zip by its name, but for the large ones, which stand there empty."""
    if source.is_dir():
        paths = {p.relative_to(source).as_posix(): p for p in source.rglob("*") if p.is_file()}
        return {name: b"" if name in _LARGE else path.read_bytes() for name, path in paths.items()}
    with zipfile.ZipFile(source) as packed:
        if any(i.file_size > MOST_BYTES for i in packed.infolist() if i.filename not in _LARGE):
            raise ValueError("a file that unpacks to more than an export has")
        return {name: b"" if name in _LARGE else packed.read(name) for name in packed.namelist()}


def stream(source: Path, name: str) -> Iterator[bytes]:
    """Read a large file line by line."""
    if source.is_dir():
        with (source / name).open("rb") as file:
            yield from file
    else:
        with zipfile.ZipFile(source) as packed, packed.open(name) as member:
            yield from member


def canonical(value: Any) -> str:
    """Write JSON in its one form."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def lines_of(lines: Iterable[bytes], name: str, report: Report) -> Iterator[Mapping[str, Any]]:
    """Read JSON lines; each must stand in its one form, so that no byte can differ unseen."""
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            report.faults.append(f"{name}: the last line does not end")
        try:
            text = line.removesuffix(b"\n").decode("utf-8", "surrogatepass")
            value = json.loads(text)
            is_right = isinstance(value, dict) and canonical(value) == text
        except (ValueError, RecursionError):
            is_right = False
        if is_right:
            yield value
        else:
            report.faults.append(f"{name}, line {number}: changed")
            yield {}


# Keys and heads


def read_keys(data: bytes, pinned: Sequence[str], origins: Set[str], report: Report) -> Mapping[str, bytes]:
    """Read the public keys; each but the first needs the former's signature, or to be pinned."""
    keys: dict[str, bytes] = {}
    for number, line in enumerate(lines_of(io.BytesIO(data), "keys.jsonl", report), 1):
        if not line:
            continue
        try:
            id, former, origin = str(line["id"]), str(line["former"]), str(line["origin"])
            public, endorsement = bytes.fromhex(line["public_key"]), bytes.fromhex(line["endorsement"])
            is_shaped = set(line) == {"id", "former", "origin", "public_key", "endorsement"}
        except (KeyError, TypeError, ValueError):
            report.faults.append(f"keys.jsonl, line {number}: changed")
            continue
        is_shaped &= [public.hex(), endorsement.hex()] == [line["public_key"], line["endorsement"]]
        if not is_shaped or hashlib.sha256(public).hexdigest() != id:
            report.faults.append(f"keys.jsonl, line {number}: changed")
        said = f"coread ledger key\n{origin}\n{public.hex()}\n".encode()
        if origin not in origins:
            report.faults.append(f"key {id}: of another ledger")
        is_vouched = former in keys and holds(keys[former], endorsement, said)
        if (former or endorsement) and not is_vouched:
            report.faults.append(f"key {id}: the former key's word for it does not hold")
        elif keys and not is_vouched and id not in pinned:
            report.faults.append(f"key {id}: nobody vouches for it; pin it with --key if you trust it")
        keys[id] = public
    for id in pinned:
        if id not in keys:
            report.faults.append(f"key {id}: pinned, but not in the export")
    if keys and not pinned:
        report.remarks.append(f"key {next(iter(keys))}: compare this id with one that you got another way")
    return keys


def read_heads(text: str, name: str, report: Report) -> list[Head]:
    """Read signed tree heads that stand one after another."""
    heads: list[Head] = []
    at = 0
    while at < len(text):
        found = _HEAD.match(text, at)
        if found is None:
            report.faults.append(f"{name}: not signed tree heads alone, from character {at} on")
            break
        at = found.end()
        signature, root = base64.b64decode(found[7]), base64.b64decode(found[4])
        is_one_form = base64.b64encode(signature).decode() == found[7]
        if found[2] != found[6] or not is_one_form or base64.b64encode(root).decode() != found[4]:
            report.faults.append(f"{name}: head of size {found[3]} changed")
        heads.append(Head(found[1], found[2], int(found[3]), root, found[5], signature[:4], signature[4:]))
    for former, later in itertools.pairwise(heads):
        if name == "heads.txt" and (later.size <= former.size or later.at < former.at):
            report.faults.append(f"{name}: head of size {later.size} does not follow the one before it")
    return heads


def check_signatures(heads: Sequence[Head], keys: Mapping[str, bytes], report: Report) -> None:
    """Check that each head is signed by a key of the export."""
    for head in heads:
        names = {
            hashlib.sha256(head.origin.encode() + b"\n\x01" + public).digest()[:4]: public
            for public in keys.values()
        }
        public = names.get(head.key_hash)
        if public is None or not holds(public, head.signature, head.text.encode()):
            report.faults.append(f"head of size {head.size}: its signature does not hold")


def holds(public: bytes, signature: bytes, data: bytes) -> bool:
    """Tell whether an Ed25519 signature holds."""
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - it may be absent
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    except ImportError:
        return holds_by_openssl(public, signature, data)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def holds_by_openssl(public: bytes, signature: bytes, data: bytes) -> bool:
    """Ask openssl whether an Ed25519 signature holds."""
    with tempfile.TemporaryDirectory() as folder:
        parts = {"key": _DER_OF_ED25519 + public, "signature": signature, "data": data}
        paths = {name: Path(folder, name) for name in parts}
        for name, content in parts.items():
            paths[name].write_bytes(content)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-rawin", "-keyform", "DER"]
        command += [
            "-inkey",
            str(paths["key"]),
            "-sigfile",
            str(paths["signature"]),
            "-in",
            str(paths["data"]),
        ]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


# Events


_EVERY = {"actor", "at", "facts", "form", "kind", "leaf_hash", "sequence"}
FIELDS = {"1": _EVERY | {"key", "subject"}, "2": _EVERY | {"commitment", "private", "salt"}}


def leaf_of(line: Mapping[str, Any]) -> bytes:
    """Make an event's leaf of what the export says of it.

    Raises
    ------
    KeyError, TypeError, ValueError
        If something is missing or of the wrong kind.
    """
    said = {name: line[name] for name in ("actor", "at", "facts", "kind")}
    if set(line) != FIELDS[line["form"]]:
        raise ValueError("fields")
    if line["form"] == "1":
        said |= {"key": line["key"], "subject": line["subject"]}
        return canonical(said).encode("utf-8", "surrogatepass")
    private, salt, commitment = line["private"], bytes.fromhex(line["salt"]), line["commitment"]
    if salt.hex() != line["salt"] or (private is None and salt):
        raise ValueError("a salt in another form, or without what it hides")
    if private is not None:
        text = canonical(private).encode("utf-8", "surrogatepass")
        if not salt or hmac.digest(salt, text, "sha256").hex() != commitment:
            raise ValueError("the private part does not fit its commitment")
    said |= {"form": "2", "private": commitment, "sequence": line["sequence"]}
    return canonical(said).encode("utf-8", "surrogatepass")


def is_blank(line: Mapping[str, Any]) -> bool:
    """Tell whether all but the leaf hash of an event of form 1 was deleted."""
    left = [line.get(name) for name in ("form", "actor", "at", "kind", "subject", "key", "facts")]
    return left == ["1", _FORGOTTEN, _EMPTY_TIME, _FORGOTTEN, _FORGOTTEN, "", {}]


def hash_of(line: Mapping[str, Any]) -> bytes | None:
    """Return the leaf hash of an event if every byte of it fits, else None."""
    try:
        kept = bytes.fromhex(line["leaf_hash"])
        if line["leaf_hash"] != kept.hex() or len(kept) != 32:
            return None
        made = hashlib.sha256(b"\x00" + leaf_of(line)).digest()
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return kept if made == kept or is_blank(line) else None


def node(left: bytes, right: bytes) -> bytes:
    """Hash two nodes (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """The root of a growing tree, by the roots of its perfect subtrees."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        count = self.size
        while count & 1:
            leaf = node(self._peaks.pop(), leaf)
            count >>= 1
        self._peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root."""
        if not self._peaks:
            return hashlib.sha256().digest()
        result = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            result = node(peak, result)
        return result


def check_events(
    lines: Iterable[bytes], roots: Mapping[int, bytes], seen: Sequence[Head], report: Report
) -> None:
    """Check all events, their places, and the root at the size of each head."""
    tree, fits = Tree(), True
    witnessed = {head.size: head.root for head in seen}
    told: set[str] = set()
    blank: list[int] = []
    for number, line in enumerate(lines_of(lines, "events.jsonl", report), 1):
        leaf = hash_of(line)
        if line.get("sequence") != str(number):
            report.faults.append(f"event {number}: missing, inserted or moved")
            fits = False
        if leaf is None:
            report.faults.append(f"event {number}: changed")
            fits = False
            continue
        tree.add(leaf)
        if is_gone(line):
            blank.append(number)
        told |= told_by(line)
        if not fits:
            continue
        for place, known in (("signed head", roots), ("witness", witnessed)):
            if known.get(number, tree.root()) != tree.root():
                report.faults.append(f"event {number}: the events up to here are not those of the {place}")
    report.size, report.root = tree.size, tree.root().hex()
    check_forgotten(blank, told, report)
    for size in sorted(roots):
        if size > tree.size:
            report.faults.append(f"event {tree.size + 1}: missing, for a head of size {size} is signed")
    for size in sorted(witnessed):
        if size > tree.size:
            report.faults.append(f"event {tree.size + 1}: missing, a witness has seen {size}: rolled back")
    if tree.size > max(roots, default=0):
        report.remarks.append(f"events after {max(roots, default=0)}: under no signed head yet")


def is_gone(line: Mapping[str, Any]) -> bool:
    """Tell whether an event's private part was deleted, rather than left out of this export."""
    return is_blank(line) or (line.get("form") == "2" and line.get("private") is None)


def told_by(line: Mapping[str, Any]) -> set[str]:
    """Return the places that an event says were forgotten."""
    if line.get("kind") != "ledger.forgotten":
        return set()
    private = line.get("private")
    return set(str(private["facts"].get("sequences", "")).split()) if private else {"*"}


def check_forgotten(blank: Sequence[int], told: set[str], report: Report) -> None:
    """Check that each deletion of a private part is on record."""
    if "*" in told:
        return
    spans = [part.partition("-") for part in told]
    ranges = [(int(a), int(b or a)) for a, _, b in spans if a.isdecimal() and (b or a).isdecimal()]
    silent = [n for n in blank if not any(first <= n <= last for first, last in ranges)]
    if silent and len(silent) == report.size:
        report.remarks.append("no private part is in this export: whom events are about cannot be seen")
    elif silent:
        report.faults += [f"event {n}: its private part is gone, and no event says so" for n in silent]


def check_proofs(lines: Iterable[bytes], roots: Mapping[int, bytes], report: Report) -> None:
    """Check single events with their proofs of inclusion."""
    count = 0
    for number, line in enumerate(lines_of(lines, "proofs.jsonl", report), 1):
        count += 1
        if not is_included(line, roots):
            report.faults.append(f"proofs.jsonl, line {number}: the event is not proven")
    report.remarks.append(f"{count} events with proofs")


def is_included(line: Mapping[str, Any], roots: Mapping[int, bytes]) -> bool:
    """Tell whether an event's path leads to a signed root (RFC 9162 section 2.1.3.2)."""
    try:
        size, path = int(line["size"]), [bytes.fromhex(step) for step in line["path"]]
        event, leaf = line["event"], hash_of(line["event"])
        index, last = int(event["sequence"]) - 1, int(line["size"]) - 1
        is_shaped = set(line) == {"event", "path", "size"} and [step.hex() for step in path] == line["path"]
        is_shaped &= line["size"] == str(size) and event["sequence"] == str(index + 1)
    except (KeyError, TypeError, ValueError):
        return False
    if leaf is None or not is_shaped or not 0 <= index <= last or size not in roots:
        return False
    result = leaf
    for sibling in path:
        if last == 0:
            return False
        if index & 1 or index == last:
            result = node(sibling, result)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            result = node(result, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and result == roots[size]


# Time stamps


def check_stamps(
    files: Mapping[str, bytes], heads: Sequence[Head], authorities: Path, report: Report
) -> None:
    """Check time-stamp responses (RFC 3161) over the texts of heads with openssl."""
    texts = {str(head.size): head.text.encode() for head in heads}
    for name in sorted(files):
        found = re.fullmatch(r"receipts/([a-z0-9-]+)-([0-9]+)\.tsr", name)
        if not found:
            continue
        with tempfile.TemporaryDirectory() as folder:
            data, token = Path(folder, "data"), Path(folder, "token")
            data.write_bytes(texts.get(found[2], b""))
            token.write_bytes(files[name])
            command = ["openssl", "ts", "-verify", "-data", str(data), "-in", str(token)]
            done = subprocess.run([*command, "-CAfile", str(authorities)], capture_output=True, check=False)
        if done.returncode == 0:
            report.remarks.append(f"head of size {found[2]}: its time stamp holds")
        else:
            report.faults.append(f"{name}: the time stamp does not hold")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check and print what it found; 0 if nothing speaks against the export."""
    parser = argparse.ArgumentParser(description="Check an export of a CoRead ledger.")
    parser.add_argument("export", type=Path)
    parser.add_argument("--key", action="append", default=[], help="id of a key that you trust")
    parser.add_argument("--witnessed", type=Path, help="file of heads that a witness keeps")
    parser.add_argument("--authorities", type=Path, help="PEM file behind the time stamps")
    given = parser.parse_args(arguments)
    witnessed = given.witnessed.read_text(encoding="utf-8") if given.witnessed else ""
    report = verify_export(given.export, given.key, witnessed, given.authorities)
    for remark in report.remarks:
        print(f"remark: {remark}")
    for fault in report.faults:
        print(f"FAULT: {fault}")
    print(f"{report.size} events, root {report.root or '(none)'}, signed up to {report.signed_size}, "
          f"{len(report.faults)} faults")  # fmt: skip
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
