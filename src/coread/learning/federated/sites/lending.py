"""Whom a site lends to a round: for a cohort of the clinic's archive, who agrees to a federation now.

A published set has no patient who could be asked. A cohort of the archive says in its facts that it was built
of people who agreed; whether they still do is asked of the clinic's register before every order that touches
images. Without the register nothing is done: silence is no consent.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from coread.errors import CohortRefused, FederationRefused
from coread.learning.cohorts.consented import CohortConsent
from coread.learning.cohorts.form import Cohort
from coread.learning.cohorts.storing import CONSENT, FACTS, read_cohort
from coread.learning.federated.sites.counting import suppressed
from coread.learning.federated.sites.folder import SiteFolder

Lend = Callable[[Cohort], Cohort]
"""Gives what of a cohort may take part in the next round; `CohortConsent.for_round` is one."""

Opener = Callable[[Path, Path], CohortConsent]
"""Opens the clinic's register: from its settings file and the file of the key of pseudonyms."""

KINDS = frozenset({"train", "masked", "evaluate", "alone", "calibrate", "appraise", "final"})
"""Orders that touch images; the others carry keys and questions."""


class ConsentUnknown(FederationRefused):
    """Nobody can say who agrees."""

    def __init__(self, found: str) -> None:
        remedy = "give the clinic's settings and the key of pseudonyms (coread-lab site init)"
        super().__init__(found, "the register of consents", remedy, "site")


class NobodyAgrees(FederationRefused):
    """No patient of the cohort lets it go on."""

    def __init__(self) -> None:
        super().__init__("a cohort of which nobody agrees", "at least one patient who does", "", "site")


class Lending:
    """Asks before each order who takes part.

    Parameters
    ----------
    site
        Whose patients.
    lend
        Asks the register; None if the site has none.
    """

    def __init__(self, site: SiteFolder, lend: Lend | None = None) -> None:
        self._site, self._lend = site, lend

    def ask(self, kind: str, plan: str, number: str, round_: str) -> None:
        """Ask who agrees, lend these only, and put on record how many they are.

        Parameters
        ----------
        kind, plan, number, round_
            Of the order that comes next.

        Raises
        ------
        ConsentUnknown
            If the cohort is of the archive and the register cannot be asked.
        NobodyAgrees
            If nobody agrees.
        """
        folder = Path(self._site.settings.data)
        if kind not in KINDS or not (folder / FACTS).is_file():
            return
        cohort = read_cohort(folder)
        if CONSENT not in cohort.facts:
            return
        self._site.lent = frozenset()
        left = self._asked(cohort)
        self._site.lent = frozenset(image.image for image in left.images)
        patients = len({image.patient for image in left.images})
        counts = suppressed({"patients": patients, "images": len(left.images)})
        gone = suppressed({"images": len(cohort.images) - len(left.images)})["images"]
        facts = {"order": kind, "round": round_, **counts, "images without consent": gone}
        self._site.record.note("consent.asked", plan, "site", facts, f"consent:{number}")

    def _asked(self, cohort: Cohort) -> Cohort:
        if self._lend is None:
            raise ConsentUnknown("a cohort of the archive, and no register of consents")
        try:
            return self._lend(cohort)
        except CohortRefused as fault:
            if "nobody agrees" in fault.found:
                raise NobodyAgrees from fault
            raise ConsentUnknown(fault.found) from fault
        except OSError as fault:
            raise ConsentUnknown(f"a register that cannot be read ({type(fault).__name__})") from fault


def lend_of(site: SiteFolder, opener: Opener | None) -> Lend | None:
    """How a site asks the clinic's register, which is opened anew each time."""
    settings, key = site.settings.consents, site.settings.pseudonym_key
    if opener is None or not settings or not key:
        return None
    if not Path(key).is_file():  # one made now would find nobody again

        def lost(cohort: Cohort) -> Cohort:
            raise CohortRefused("no key of pseudonyms", "the key that the cohort was built with", "", "site")

        return lost
    return lambda cohort: opener(Path(settings), Path(key)).for_round(cohort)
