"""The drawn tree of errors.

An expected clinical outcome (a gate refused, a reader abstained) is a *value*
(:mod:`coread.domain.reading`); a broken promise is an *exception* of this tree::

    CoReadError
    ├── SettingsFault            1001  the settings file or environment is wrong
    ├── InputFault               what arrived is not what it should be
    │   ├── NotDicom             1101
    │   ├── TruncatedObject      1102
    │   ├── MissingIdentifier    1103
    │   ├── InvalidUid           1104
    │   ├── MalformedObject      1105
    │   ├── ObjectTooLarge       1106
    │   ├── UnknownTransferSyntax 1107
    │   ├── BrokenPixelData      1108
    │   ├── UnsupportedPixels    1109
    │   ├── NestingTooDeep       1110
    │   ├── ContainerRefused     1111  a zip or folder that may not be opened
    │   ├── BadQuery             1112  a query, filter or frame number that cannot be answered
    │   └── NotAcceptable        1113  none of the asked media types is served
    ├── Conflict                 what arrived contradicts what is kept
    │   ├── SameUidOtherBytes    1201
    │   ├── StaleReview          1202
    │   ├── LockedByOther        1203
    │   ├── AlreadySigned        1204
    │   └── ConsentChanged       1205
    ├── OutOfRoom                the machine, not the input, is at fault
    │   ├── LowDisk              1301  retriable
    │   └── Busy                 1302  retriable
    ├── StoreFault               what is kept is not as it was
    │   ├── NotFound             1401
    │   ├── ObjectLost           1402
    │   └── ChecksumMismatch     1403
    ├── RuleFault                1501  a routing rule cannot be loaded
    ├── ReaderFault              an AI reader broke its contract
    │   ├── ReaderUnavailable    1601
    │   ├── BundleRefused        1602
    │   └── ReaderFailed         1603
    ├── ResultFault              1701  a result object could not be written
    ├── DeliveryFault            a destination did not take what was sent
    │   ├── DestinationUnreachable 1801  retriable
    │   └── DestinationRefused   1802
    ├── AccessFault              who asks is not known, or may not
    │   ├── AccessDenied         1901
    │   ├── LoginRequired        1902
    │   ├── LoginFailed          1903
    │   ├── AccountLocked        1904  retriable, after the wait that it names
    │   ├── ReauthenticationRequired 1905
    │   ├── ForgedRequest        1906
    │   ├── TooManyRequests      1907  retriable
    │   ├── WeakPassword         1908
    │   ├── IdentityProviderFault 1909
    │   ├── AccountConflict      1910
    │   └── StudyRestricted      1911  opens to who gives a reason
    ├── ReviewFault              a doctor's act does not keep the rules
    │   ├── DecisionRefused      2001
    │   └── NotReadyToSign       2002
    ├── ConsentRefused           2101  a consent that does not say clearly who agrees to what
    └── LabFault                 something in the lab is not fit to learn from or to go on with
        ├── CohortRefused        2301
        ├── AnnotationRefused    2302
        ├── RunRefused           2303
        ├── RecipeUnavailable    2304
        └── FederationRefused    2305  a plan, site or coordinator of a federation that does not hold

A number is never used again once its error has gone. Each numbered error has a
page ``docs/errors/<number>.md`` and a row in ``coread.gateways.statuses``; a
test holds all three together.
"""

from __future__ import annotations

from typing import ClassVar


class CoReadError(Exception):
    """Root of every error that CoRead raises on purpose.

    Parameters
    ----------
    found
        What was met. Never holds a patient's name or identifier.
    expected
        What should have been there.
    remedy
        What the person who reads this can do.
    where
        File, element, setting or protocol step; never a person.
    """

    number: ClassVar[int] = 1000
    sentence: ClassVar[str] = "Something went wrong."
    retriable: ClassVar[bool] = False

    def __init__(self, found: str, expected: str = "", remedy: str = "", where: str = "") -> None:
        self.found = found
        self.expected = expected
        self.remedy = remedy
        self.where = where
        super().__init__(found, expected, remedy, where)

    def __str__(self) -> str:
        parts = [f"[{self.number}] {self.sentence} Found: {self.found}."]
        parts += [f"Expected: {self.expected}."] if self.expected else []
        parts += [f"Where: {self.where}."] if self.where else []
        parts += [f"What to do: {self.remedy}."] if self.remedy else []
        return " ".join(parts)


class SettingsFault(CoReadError):
    """The settings cannot be used; every fault is listed in ``found``."""

    number = 1001
    sentence = "The settings are not usable."


class InputFault(CoReadError):
    """What arrived is not what it should be."""

    number = 1100
    sentence = "The object that arrived cannot be used."


class NotDicom(InputFault):
    """The bytes are no DICOM data set."""

    number = 1101
    sentence = "This is not a DICOM object."


class TruncatedObject(InputFault):
    """The data set ends before its declared end."""

    number = 1102
    sentence = "The DICOM object is cut short."


class MissingIdentifier(InputFault):
    """An identifier that every composite object must have is absent."""

    number = 1103
    sentence = "The DICOM object lacks an identifier."


class InvalidUid(InputFault):
    """A UID breaks the rules of PS3.5 section 9."""

    number = 1104
    sentence = "A unique identifier is not valid."


class MalformedObject(InputFault):
    """The data set cannot be read as its transfer syntax says."""

    number = 1105
    sentence = "The DICOM object is malformed."


class ObjectTooLarge(InputFault):
    """The object is larger than the limit that the settings give."""

    number = 1106
    sentence = "The object is larger than allowed."


class UnknownTransferSyntax(InputFault):
    """The transfer syntax is not known or not readable here."""

    number = 1107
    sentence = "The transfer syntax is not known."


class BrokenPixelData(InputFault):
    """The pixel data cannot be decoded."""

    number = 1108
    sentence = "The pixel data cannot be decoded."


class UnsupportedPixels(InputFault):
    """The pixels are valid but of a kind that cannot be shown or read."""

    number = 1109
    sentence = "These pixels are not supported."


class NestingTooDeep(InputFault):
    """Sequences are nested deeper than the limit."""

    number = 1110
    sentence = "Sequences are nested too deeply."


class ContainerRefused(InputFault):
    """A zip archive or folder may not be opened (too many, too large, unsafe path)."""

    number = 1111
    sentence = "The archive or folder cannot be opened safely."


class BadQuery(InputFault):
    """A query, filter or frame number cannot be answered."""

    number = 1112
    sentence = "The query cannot be answered."


class NotAcceptable(InputFault):
    """None of the asked media types or transfer syntaxes is served for this resource."""

    number = 1113
    sentence = "The answer cannot be given in the form that was asked."


class Conflict(CoReadError):
    """What arrived contradicts what is kept."""

    number = 1200
    sentence = "What arrived contradicts what is kept."


class SameUidOtherBytes(Conflict):
    """An object of the same SOP Instance UID but other content is already kept."""

    number = 1201
    sentence = "Another object of the same SOP Instance UID is already kept."


class StaleReview(Conflict):
    """The review was changed since the page was made that now wants to change it.

    Parameters
    ----------
    revision
        The review's present revision; what the page has to show before it may try again.
    """

    number = 1202
    sentence = "The study was changed meanwhile, by someone else, another window or newly arrived images."

    def __init__(
        self, found: str, expected: str = "", remedy: str = "", where: str = "", *, revision: int = 0
    ) -> None:
        super().__init__(found, expected, remedy, where)
        self.revision = revision


class LockedByOther(Conflict):
    """Another doctor holds the study.

    Parameters
    ----------
    person_id
        Who holds it; kept out of the message.
    """

    number = 1203
    sentence = "Another doctor is working on this study."

    def __init__(
        self, found: str, expected: str = "", remedy: str = "", where: str = "", *, person_id: str = ""
    ) -> None:
        super().__init__(found, expected, remedy, where)
        self.person_id = person_id


class AlreadySigned(Conflict):
    """What is to be changed stands in a signed report."""

    number = 1204
    sentence = "The report is signed and cannot be changed."


class ConsentChanged(Conflict):
    """The person has decided otherwise since the page was made that now wants to record a consent."""

    number = 1205
    sentence = "The person's consents were changed meanwhile."


class OutOfRoom(CoReadError):
    """The machine, not the input, is at fault; trying later may help."""

    number = 1300
    sentence = "The system has no room for this now."
    retriable = True


class LowDisk(OutOfRoom):
    """Free disk space is below the watermark."""

    number = 1301
    sentence = "Disk space is low."


class Busy(OutOfRoom):
    """A limit on work at one time is reached."""

    number = 1302
    sentence = "Too much work at one time."


class StoreFault(CoReadError):
    """What is kept is not as it was put there."""

    number = 1400
    sentence = "The archive is not as it should be."


class NotFound(StoreFault):
    """Nothing of this identifier is kept."""

    number = 1401
    sentence = "Nothing of this identifier is kept here."


class ObjectLost(StoreFault):
    """The index names an object whose bytes are gone."""

    number = 1402
    sentence = "The bytes of an indexed object are gone."


class ChecksumMismatch(StoreFault):
    """The bytes differ from those that were put."""

    number = 1403
    sentence = "The bytes of an object have changed."


class RuleFault(CoReadError):
    """A routing rule cannot be loaded."""

    number = 1501
    sentence = "A routing rule is not usable."


class ReaderFault(CoReadError):
    """An AI reader broke its contract."""

    number = 1600
    sentence = "An AI reader failed."


class ReaderUnavailable(ReaderFault):
    """The reader is not installed, or cannot be loaded here."""

    number = 1601
    sentence = "The AI reader is not available."


class BundleRefused(ReaderFault):
    """A bundle's hash, card or gate does not hold."""

    number = 1602
    sentence = "The reader's bundle is refused."


class ReaderFailed(ReaderFault):
    """The reader raised instead of returning a reading or an abstention."""

    number = 1603
    sentence = "The AI reader failed on this study."


class ResultFault(CoReadError):
    """A result object could not be written."""

    number = 1701
    sentence = "A result could not be written."


class DeliveryFault(CoReadError):
    """A destination did not take what was sent."""

    number = 1800
    sentence = "A result was not delivered."


class DestinationUnreachable(DeliveryFault):
    """No connection, or the connection broke."""

    number = 1801
    sentence = "A destination cannot be reached."
    retriable = True


class DestinationRefused(DeliveryFault):
    """The destination answered, and said no."""

    number = 1802
    sentence = "A destination refused what was sent."


class AccessFault(CoReadError):
    """Who asks is not known, or may not."""

    number = 1900
    sentence = "Access is not given."


class AccessDenied(AccessFault):
    """The peer or person may not do this."""

    number = 1901
    sentence = "This is not permitted."


class LoginRequired(AccessFault):
    """Nobody is logged in, or the session has ended."""

    number = 1902
    sentence = "A login is needed."


class LoginFailed(AccessFault):
    """Login, password, code or the identity provider's word did not hold; never says which."""

    number = 1903
    sentence = "The login failed."


class AccountLocked(AccessFault):
    """Too many failed logins in a row; the remedy names the wait.

    Parameters
    ----------
    wait_s
        Seconds after which another try makes sense.
    """

    number = 1904
    sentence = "Too many failed logins: this login must wait."
    retriable = True

    def __init__(
        self, found: str, expected: str = "", remedy: str = "", where: str = "", *, wait_s: float = 0.0
    ) -> None:
        super().__init__(found, expected, remedy, where)
        self.wait_s = wait_s


class ReauthenticationRequired(AccessFault):
    """Who is logged in must show again that it is still the same person."""

    number = 1905
    sentence = "Show again who you are."


class ForgedRequest(AccessFault):
    """A changing request that does not come from a page of ours."""

    number = 1906
    sentence = "The request does not come from a page of this service."


class TooManyRequests(AccessFault):
    """One source asks too often.

    Parameters
    ----------
    wait_s
        Seconds after which another try makes sense.
    """

    number = 1907
    sentence = "Too many requests in a short time."
    retriable = True

    def __init__(
        self, found: str, expected: str = "", remedy: str = "", where: str = "", *, wait_s: float = 0.0
    ) -> None:
        super().__init__(found, expected, remedy, where)
        self.wait_s = wait_s


class WeakPassword(AccessFault):
    """A new password is too short or too easily guessed."""

    number = 1908
    sentence = "The new password is not strong enough."


class IdentityProviderFault(AccessFault):
    """The identity provider cannot be reached, or what it says does not hold."""

    number = 1909
    sentence = "The identity provider did not confirm the login."


class AccountConflict(AccessFault):
    """An account cannot be made or changed in this way."""

    number = 1910
    sentence = "The account cannot be changed in this way."


class StudyRestricted(AccessFault):
    """The study is open to some persons only; who needs it nevertheless gives a reason."""

    number = 1911
    sentence = "This study is restricted."


class ReviewFault(CoReadError):
    """A doctor's act does not keep the rules of the review."""

    number = 2000
    sentence = "This cannot be done with the study as it stands."


class DecisionRefused(ReviewFault):
    """A decision, statement, impression or text lacks something, or holds something impossible."""

    number = 2001
    sentence = "The decision cannot be taken as it is."


class NotReadyToSign(ReviewFault):
    """Something must be done before the report can be signed.

    Parameters
    ----------
    hurdles
        Stable codes of what stands in the way, e.g. ``undecided-finding``.
    """

    number = 2002
    sentence = "The report is not ready to be signed."

    def __init__(
        self,
        found: str,
        expected: str = "",
        remedy: str = "",
        where: str = "",
        *,
        hurdles: tuple[str, ...] = (),
    ) -> None:
        super().__init__(found, expected, remedy, where)
        self.hurdles = hurdles


class ConsentRefused(CoReadError):
    """A consent does not say clearly who agrees to what, or contradicts a later denial on record."""

    number = 2101
    sentence = "The consent cannot be recorded as it is."


class LabFault(CoReadError):
    """Something in the lab is not fit to learn from, or to go on with."""

    number = 2300
    sentence = "The lab cannot go on with this."


class CohortRefused(LabFault):
    """A cohort leaks, mixes, lacks or hides something, so that nothing may be learnt from it."""

    number = 2301
    sentence = "The cohort is not fit to learn from."


class AnnotationRefused(LabFault):
    """A file of annotations cannot be read, or speaks of what is not in the cohort or its code book."""

    number = 2302
    sentence = "The annotations cannot be taken in."


class RunRefused(LabFault):
    """The folder of a run holds another run, a broken state, or is in use."""

    number = 2303
    sentence = "This run cannot be gone on with."


class RecipeUnavailable(LabFault):
    """There is no recipe of this name, or it cannot be loaded here."""

    number = 2304
    sentence = "The recipe is not available."


class FederationRefused(LabFault):
    """A plan, a site or a coordinator does not hold together, so that no training may go on with it."""

    number = 2305
    sentence = "The federation cannot go on with this."
