"""Consent for cohorts of the archive: asked when they are built, again before they are used, at each round.

A cohort holds pseudonyms only. Whose images it holds is found the other way round: of every study that the
archive keeps the pseudonym is made anew under the cohort's key. A study that is found nowhere (deleted, or
named under another key) counts as one whose patient does not agree.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from coread.domain.consent import Consenting, Use, passes
from coread.errors import CohortRefused
from coread.learning.cohorts.form import Cohort, LeftOut
from coread.learning.cohorts.pseudonyms import Pseudonyms
from coread.learning.cohorts.sources.dicom import ArchiveFiles, Keeper
from coread.learning.cohorts.storing import CONSENT, CONSENT_HOLDS_H, write_cohort


@dataclass(frozen=True)
class CohortConsent:
    """Who agrees to what, for cohorts that were built under one key.

    Attributes
    ----------
    consents
        Whom to ask; the governance's `StudyConsents` is one.
    studies
        Gives the Study Instance UIDs that the archive keeps now.
    pseudonyms
        Under the key with which the cohorts were built.
    clock
        Tells the time, in UTC.
    """

    consents: Consenting
    studies: Callable[[], Iterable[str]]
    pseudonyms: Pseudonyms
    clock: Callable[[], datetime]

    def files(self, archive: Keeper, study_instance_uids: Collection[str] = ()) -> ArchiveFiles:
        """Return the archive's objects that may be learnt from; of all studies if none are named."""
        wanted = tuple(study_instance_uids) or tuple(self.studies())
        return ArchiveFiles(archive, wanted, self._may_learn)

    def denied(self, cohort: Cohort, use: Use) -> frozenset[str]:
        """Return the pseudonyms of those studies of a cohort that may not (any more) be put to a use."""
        held = {image.study for image in cohort.images}
        known = {self.pseudonyms.of("study", uid): uid for uid in self.studies()}
        mine = {name: uid for name, uid in known.items() if name in held}
        denied = self.consents.denied(mine.values(), use)
        return frozenset(name for name in held if name not in mine or mine[name] in denied)

    @passes(Use.LEARNING)
    def recheck(self, cohort: Cohort) -> tuple[Cohort, frozenset[str]]:
        """Take out of a cohort, and out of its folder, whose patients do not agree any more.

        Returns
        -------
        tuple
            What is left, good for `CONSENT_HOLDS_H` hours, and the studies that went, by pseudonym.

        Raises
        ------
        CohortRefused
            If nobody is left; the folder's images are gone then, too.
        """
        gone = self.denied(cohort, Use.LEARNING)
        left = self.checked(_without(cohort, gone, "consent was withdrawn, ended, or the study is gone"))
        for image in cohort.images:
            if image.study in gone:
                (cohort.folder / image.path).unlink(missing_ok=True)
        write_cohort(left)
        return _some(left), gone

    @passes(Use.FEDERATION)
    def for_round(self, cohort: Cohort) -> Cohort:
        """Return what of a cohort may take part in the next round of a federation; ask before every round.

        Nothing on disk is changed: who leaves the federation may still be learnt from here.

        Raises
        ------
        CohortRefused
            If nobody agrees.
        """
        gone = self.denied(cohort, Use.FEDERATION)
        return _some(_without(cohort, gone, "nobody agreed to a federation"))

    def checked(self, cohort: Cohort) -> Cohort:
        """Return a cohort that says when consent was last asked for."""
        return replace(cohort, facts={**cohort.facts, CONSENT: {"checked_at": self.clock().isoformat()}})

    def good_until(self) -> datetime:
        """Return until when a check of now holds."""
        return self.clock() + timedelta(hours=CONSENT_HOLDS_H)

    def _may_learn(self, study_instance_uid: str) -> bool:
        return self.consents.may(study_instance_uid, Use.LEARNING).is_allowed


def _without(cohort: Cohort, studies: Collection[str], why: str) -> Cohort:
    kept = tuple(image for image in cohort.images if image.study not in studies)
    names = {image.image for image in kept}
    labels = tuple(label for label in cohort.labels if label.image in names)
    gone = tuple(LeftOut(study, "no-consent", why) for study in sorted(studies))
    return replace(cohort, images=kept, labels=labels, left_out=(*cohort.left_out, *gone))


def _some(cohort: Cohort) -> Cohort:
    if not cohort.images:
        raise CohortRefused(
            "a cohort of which nobody agrees", "at least one patient who does", "ask patients for consent"
        )
    return cohort
