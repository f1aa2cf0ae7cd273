"""Objects encrypted at rest: the disk alone tells nothing, and the keys lie elsewhere."""

from coread.archive.sealed.afterwards import SealedAfterwards
from coread.archive.sealed.keyring import Keyring
from coread.archive.sealed.store import SealedStore

__all__ = ["Keyring", "SealedAfterwards", "SealedStore"]
