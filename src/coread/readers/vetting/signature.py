"""A folder's signature: Ed25519 (RFC 8032) over the SHA-256 of every file in it.

``signature.json`` lies beside what it signs::

    {"form": "coread signature 1", "files": {"card.json": "<sha256>", ...},
     "public_key": "<64 hex digits>", "signature": "<128 hex digits>"}

What is signed is the text `manifest`. A folder may be a bundle, or the whole package of a reader: then its
code is signed as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from coread.errors import BundleRefused, SettingsFault

SIGNATURE = "signature.json"
FORM = "coread signature 1"

_OTHERS = 0o077
_MOST_BYTES = 1 << 20
_MOST_FILES = 10_000
_BLOCK_BYTES = 1 << 20
#: What Python writes beside the code that it runs.
_LEFT_OUT = frozenset({"__pycache__"})


@dataclass(frozen=True, slots=True)
class Publisher:
    """Whose signature is trusted."""

    name: str
    """Name of the key's file, for people."""
    public_key: bytes
    """32 bytes."""

    @property
    def id(self) -> str:
        """SHA-256 of the public key in hex."""
        return hashlib.sha256(self.public_key).hexdigest()


@dataclass(frozen=True, slots=True)
class Signed:
    """A folder whose signature holds."""

    folder: Path
    publisher: Publisher
    files: Mapping[str, str]
    """SHA-256 of each file by its path in the folder."""


def publisher_of(path: Path) -> Publisher:
    """Read a publisher's public key.

    Raises
    ------
    SettingsFault
        If the file is no PEM of an Ed25519 public key.
    """
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _no_key(path, "a file that holds no PEM public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "a key of another kind")
    return Publisher(path.stem, key.public_bytes_raw())


def sign_folder(folder: Path, key: Path) -> Publisher:
    """Write the signature of all files in a folder, in place of a former one.

    Parameters
    ----------
    folder
        A bundle, or the package of a reader.
    key
        PEM (PKCS#8) of an Ed25519 private key that its owner alone may read, e.g. of
        ``openssl genpkey -algorithm ed25519``. ``<key>.pub.pem`` beside it gets the public key.

    Raises
    ------
    SettingsFault
        If it is no such key.
    BundleRefused
        If the folder holds a link, or nothing.
    """
    private = _private(key)
    public = private.public_key()
    files = hashes_of(folder)
    written = {
        "form": FORM,
        "files": files,
        "public_key": public.public_bytes_raw().hex(),
        "signature": private.sign(manifest(files)).hex(),
    }
    text = json.dumps(written, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / SIGNATURE).write_text(text + "\n", encoding="utf-8")
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    key.with_name(f"{key.stem}.pub.pem").write_bytes(pem)
    return Publisher(key.stem, public.public_bytes_raw())


def verify_folder(folder: Path, publishers: Iterable[Publisher]) -> Signed:
    """Return who signed a folder as it is now.

    Raises
    ------
    BundleRefused
        If there is no signature, or none of a trusted publisher, or a file was changed, added or taken away.
    """
    written = _read(folder)
    key = _hex(written, "public_key", 32)
    publisher = next((known for known in publishers if known.public_key == key), None)
    if publisher is None:
        found = (
            f"the signature of a publisher who is not trusted here ({hashlib.sha256(key).hexdigest()[:16]}…)"
        )
        raise _refused(found, "one of readers.trusted_publishers")
    signed = written.get("files")
    if not isinstance(signed, dict) or not all(isinstance(value, str) for value in signed.values()):
        raise _refused("a signature without the hashes of files", "one for each")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(_hex(written, "signature", 64), manifest(signed))
    except (InvalidSignature, ValueError) as error:
        raise _refused("a signature that does not hold", "the publisher's own") from error
    _compare(signed, hashes_of(folder))
    return Signed(folder, publisher, signed)


def manifest(files: Mapping[str, str]) -> bytes:
    """Return the text that is signed: the form, then a line for each file, sorted by name.

    Examples
    --------
    >>> manifest({"b": "22", "a": "11"}).splitlines()
    [b'coread signature 1', b'11  a', b'22  b']
    """
    lines = (f"{files[name]}  {name}\n" for name in sorted(files))
    return f"{FORM}\n{''.join(lines)}".encode()


def hashes_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder, by its path there; the signature is left out.

    Raises
    ------
    BundleRefused
        If the folder holds a link, too many files, or nothing.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise _refused("a link to somewhere else", "plain files alone", name)
        if path.is_file() and name != SIGNATURE and not _LEFT_OUT & set(path.parts):
            found[name] = _hash(path)
        if len(found) > _MOST_FILES:
            raise _refused(f"more than {_MOST_FILES} files", "a reader's own files alone")
    if not found:
        raise _refused("no files", "a reader's files")
    return found


def _compare(signed: Mapping[str, str], there: Mapping[str, str]) -> None:
    changed = sorted(name for name in signed.keys() & there.keys() if signed[name] != there[name])
    for what, names in (
        ("changed", changed),
        ("added", sorted(there.keys() - signed.keys())),
        ("taken away", sorted(signed.keys() - there.keys())),
    ):
        if names:
            raise _refused(f"a file that was {what} after it was signed", "the files as signed", names[0])


def _read(folder: Path) -> Mapping[str, object]:
    path = folder / SIGNATURE
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _refused("a signature beyond all measure", f"at most {_MOST_BYTES} bytes")
        written = json.loads(path.read_bytes())
    except OSError as error:
        raise _refused("no signature", f"a {SIGNATURE} of a trusted publisher") from error
    except (ValueError, RecursionError) as error:
        raise _refused("a signature that is no JSON", FORM) from error
    if not isinstance(written, dict) or written.get("form") != FORM:
        raise _refused("a signature of another form", FORM)
    return written


def _hex(written: Mapping[str, object], name: str, size_bytes: int) -> bytes:
    try:
        data = bytes.fromhex(str(written[name]))
    except (KeyError, ValueError) as error:
        raise _refused(f"a signature without a {name}", f"{2 * size_bytes} hex digits") from error
    if len(data) != size_bytes:
        raise _refused(f"a {name} of {len(data)} bytes", f"{size_bytes} bytes")
    return data


def _private(path: Path) -> Ed25519PrivateKey:
    try:
        if path.stat().st_mode & _OTHERS:
            raise _no_key(path, "a key that others than its owner may read")
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise _no_key(path, f"a key that cannot be read ({error.strerror})") from error
    except (TypeError, ValueError) as error:
        raise _no_key(path, "a file that holds no unencrypted PEM key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "a key of another kind")
    return key


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _no_key(path: Path, found: str) -> SettingsFault:
    expected = "PEM of an Ed25519 key; a private one for its owner alone (chmod 600)"
    return SettingsFault(found, expected, "name another file", path.name)


def _refused(found: str, expected: str, where: str = SIGNATURE) -> BundleRefused:
    return BundleRefused(found, expected, "fetch it again from its maker; see docs/security.md", where)
