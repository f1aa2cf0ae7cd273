"""A declared causal graph: which arrows are believed, and what must be adjusted for because of them.

The graph is an assumption that a person can read and dispute. The audit prints it beside every effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations

Names = frozenset[str]


@dataclass(frozen=True)
class Graph:
    """A directed acyclic graph of causes.

    Attributes
    ----------
    arrows
        Pairs (cause, effect).
    unseen
        Nodes that no data set records; they cannot be adjusted for.

    Raises
    ------
    ValueError
        If the arrows run in a circle.

    Examples
    --------
    >>> confounded = Graph(frozenset({("age", "view"), ("age", "score"), ("view", "score")}))
    >>> [sorted(s) for s in confounded.adjustment_sets("view", "score")]
    [['age']]
    """

    arrows: frozenset[tuple[str, str]]
    unseen: Names = frozenset()

    def __post_init__(self) -> None:
        circle = sorted(n for n in self.nodes if n in self.descendants(n))
        if circle:
            raise ValueError(f"expected a graph without a circle, found one through {', '.join(circle)}")

    @property
    def nodes(self) -> Names:
        """All names."""
        return frozenset(name for arrow in self.arrows for name in arrow)

    def parents(self, name: str) -> Names:
        """Direct causes."""
        return frozenset(a for a, b in self.arrows if b == name)

    def children(self, name: str) -> Names:
        """Direct effects."""
        return frozenset(b for a, b in self.arrows if a == name)

    def descendants(self, name: str) -> Names:
        """Everything downstream, the node itself not counted (unless the arrows run in a circle)."""
        return _reached(self.children(name), self.children)

    def ancestors(self, names: Iterable[str]) -> Names:
        """Nodes and everything upstream of them."""
        start = frozenset(names)
        return start | _reached(frozenset(p for n in start for p in self.parents(n)), self.parents)

    def separated(self, first: str, second: str, given: Iterable[str]) -> bool:
        """Whether two nodes are independent once the given ones are known (d-separation).

        Notes
        -----
        By the moral graph of the ancestors: Lauritzen et al., Networks 1990, doi:10.1002/net.3230200503.
        """
        known = frozenset(given)
        kept = self.ancestors({first, second} | known)
        beside: dict[str, set[str]] = {n: set() for n in kept}
        for child in kept:
            causes = self.parents(child) & kept
            pairs = [(c, child) for c in causes] + list(combinations(sorted(causes), 2))
            for a, b in pairs:
                beside[a].add(b)
                beside[b].add(a)
        return second not in _reached({first}, lambda n: frozenset(beside[n]) - known, frozenset({second}))

    def closes_back_doors(self, cause: str, effect: str, given: Iterable[str]) -> bool:
        """Whether a set closes every back door (Pearl, Biometrika 1995, doi:10.1093/biomet/82.4.669)."""
        known = frozenset(given)
        if known & (self.descendants(cause) | {cause, effect}):
            return False
        behind = Graph(frozenset(arrow for arrow in self.arrows if arrow[0] != cause), self.unseen)
        if cause not in behind.nodes or effect not in behind.nodes:
            return True
        return behind.separated(cause, effect, known & behind.nodes)

    def adjustment_sets(self, cause: str, effect: str) -> list[Names]:
        """The smallest sets of seen nodes that close every back door; empty if none does."""
        free = sorted(self.nodes - self.unseen - self.descendants(cause) - {cause, effect})
        found: list[Names] = []
        for size in range(len(free) + 1):
            for chosen in map(frozenset, combinations(free, size)):
                if not any(f <= chosen for f in found) and self.closes_back_doors(cause, effect, chosen):
                    found.append(chosen)
        return found

    def to_dot(self) -> str:
        """The graph in the dot language, unseen nodes dashed."""
        lines = [f'  "{n}" [style=dashed];' for n in sorted(self.unseen & self.nodes)]
        lines += [f'  "{a}" -> "{b}";' for a, b in sorted(self.arrows)]
        return "digraph {\n" + "\n".join(lines) + "\n}"


def _reached(start: Iterable[str], step: Callable[[str], Names], stop: Names = frozenset()) -> Names:
    """Nodes reached from the start by repeated steps, the start counted; no step is taken from `stop`."""
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += [] if name in stop else list(step(name))
    return frozenset(seen)
