"""A new reader from a few labelled images: a package with its bundle, made on the shared trunk."""

from coread.learning.new_reader.examples import Examples, examples
from coread.learning.new_reader.making import OneFindingRecipe, make
from coread.learning.new_reader.scaffold import Wanted, scaffold

__all__ = ["Examples", "OneFindingRecipe", "Wanted", "examples", "make", "scaffold"]
