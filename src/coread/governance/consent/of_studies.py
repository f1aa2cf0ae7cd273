"""Consent asked by study: whose images it holds, and whether each of these persons lets the use go on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from coread.domain.consent import PatientIdentity, Permit, Use
from coread.governance.consent.register import Consents


class StudyConsents:
    """Answers for studies, as `coread.domain.consent.Consenting` asks.

    Parameters
    ----------
    consents
        The register.
    persons
        Whose images a study holds: more than one where its objects name several persons. All must agree.
    clock
        Tells the time, in UTC.
    """

    def __init__(
        self,
        consents: Consents,
        persons: Callable[[str], Collection[PatientIdentity]],
        clock: Callable[[], datetime],
    ) -> None:
        self._consents = consents
        self._persons = persons
        self._clock = clock

    def may(self, study_instance_uid: str, use: Use) -> Permit:
        """Say whether a study may be put to a use now.

        A study of which nothing is kept any more, or that names nobody, is nobody's to give.
        """
        persons = self._persons(study_instance_uid) or (PatientIdentity(""),)
        return self.all_of(persons, use)

    def denied(self, study_instance_uids: Iterable[str], use: Use) -> frozenset[str]:
        """Return those of several studies that may not be put to a use now."""
        return frozenset(uid for uid in study_instance_uids if not self.may(uid, use).is_allowed)

    def all_of(self, persons: Collection[PatientIdentity], use: Use) -> Permit:
        """Say whether several persons all let a use go on: the first that does not decides."""
        now = self._clock()
        permits = [self._consents.may(person, use, now) for person in persons]
        return next((permit for permit in permits if not permit.is_allowed), permits[0])
