"""Whether a reader's package may be used here, asked before a line of it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from coread.errors import BundleRefused
from coread.readers.vetting.signature import SIGNATURE, Publisher, Signed, verify_folder

_CARD = "card.json"
_OURS = "coread"
_MOST_BUNDLES = 100


@dataclass(frozen=True, slots=True)
class Vetted:
    """One installed reader, and who signed it."""

    name: str
    package: str
    """Distribution that offers it; empty if it is not known."""
    signed: tuple[Signed, ...]
    """Empty for those that come with CoRead."""
    fault: str
    """Why no trusted signature holds; empty if one does."""


@dataclass(frozen=True, slots=True)
class Vetting:
    """Whose readers may be used beside those that come with CoRead."""

    publishers: tuple[Publisher, ...] = ()
    allows_unsigned: bool = False

    def reason_against(self, point: EntryPoint) -> str:
        """Return why a reader may not be used; empty if it may. Nothing of it is imported.

        Readers in CoRead's own package came with it, and stand or fall with its own hashes.
        """
        return "" if self.allows_unsigned else self.look(point).fault

    def look(self, point: EntryPoint) -> Vetted:
        """Return who signed a reader, whatever is allowed."""
        package = point.dist.name if point.dist else ""
        if _top(point) == _OURS:
            return Vetted(point.name, package, (), "")
        try:
            return Vetted(point.name, package, self.signed(point), "")
        except BundleRefused as fault:
            told = f"{fault.found} ({fault.where}); expected {fault.expected}"
            return Vetted(point.name, package, (), told)

    def signed(self, point: EntryPoint) -> tuple[Signed, ...]:
        """Return the signed folders of a reader: its whole package, or else each of its bundles.

        Raises
        ------
        BundleRefused
            If one is not signed by a trusted publisher, or there is none.
        """
        package = folder_of(point)
        if package is None:
            raise BundleRefused(
                "a reader that is no package", "a package with a signed bundle", "", point.name
            )
        if (package / SIGNATURE).is_file():
            return (verify_folder(package, self.publishers),)
        bundles = list(bundles_in(package))
        if not bundles:
            found, expected = "a package without a bundle", "a signed bundle, or a signed package"
            raise BundleRefused(found, expected, "ask its maker", point.name)
        return tuple(verify_folder(bundle, self.publishers) for bundle in bundles)


def folder_of(point: EntryPoint) -> Path | None:
    """Return the folder of the package that offers a reader, without importing it."""
    try:
        spec = find_spec(_top(point))
    except (ImportError, ValueError):
        return None
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if len(places) == 1 else None


def bundles_in(folder: Path) -> Iterator[Path]:
    """Give the folders below one that hold a card."""
    for count, card in enumerate(sorted(folder.rglob(_CARD))):
        if count >= _MOST_BUNDLES:
            raise BundleRefused(
                "more bundles than a package has", f"at most {_MOST_BUNDLES}", "", folder.name
            )
        yield card.parent


def _top(point: EntryPoint) -> str:
    return point.value.partition(":")[0].strip().partition(".")[0]
