"""Every error, in each protocol's own terms: DIMSE, HTTP, FHIR and exit codes.

Sources: DIMSE statuses PS3.4 table B.2-1 (storage) and PS3.7 annex C; HTTP
PS3.18 section 8.5 and RFC 9110; FHIR R4 value set ``issue-type``; exit codes
follow BSD ``sysexits.h``.
"""

from __future__ import annotations

from dataclasses import dataclass

from coread import errors


@dataclass(frozen=True, slots=True)
class Status:
    """How one kind of error is said outside."""

    dimse: int
    """Status (0000,0900)."""
    http: int
    fhir_issue: str
    """OperationOutcome.issue.code."""
    exit_code: int


_NOT_UNDERSTOOD = 0xC000
_OUT_OF_RESOURCES = 0xA700
_DATA_SET_MISMATCH = 0xA900
_PROCESSING_FAILURE = 0x0110
_NOT_AUTHORISED = 0x0124

STATUSES: dict[type[errors.CoReadError], Status] = {
    errors.SettingsFault: Status(_PROCESSING_FAILURE, 500, "exception", 78),
    errors.NotDicom: Status(_NOT_UNDERSTOOD, 415, "structure", 65),
    errors.TruncatedObject: Status(_NOT_UNDERSTOOD, 400, "incomplete", 65),
    errors.MissingIdentifier: Status(_DATA_SET_MISMATCH, 400, "required", 65),
    errors.InvalidUid: Status(_DATA_SET_MISMATCH, 400, "value", 65),
    errors.MalformedObject: Status(_NOT_UNDERSTOOD, 400, "structure", 65),
    errors.ObjectTooLarge: Status(_OUT_OF_RESOURCES, 413, "too-long", 65),
    errors.UnknownTransferSyntax: Status(_NOT_UNDERSTOOD, 415, "not-supported", 65),
    errors.BrokenPixelData: Status(_NOT_UNDERSTOOD, 422, "structure", 65),
    errors.UnsupportedPixels: Status(_NOT_UNDERSTOOD, 406, "not-supported", 65),
    errors.NestingTooDeep: Status(_NOT_UNDERSTOOD, 400, "too-costly", 65),
    errors.ContainerRefused: Status(_NOT_UNDERSTOOD, 400, "too-costly", 65),
    errors.BadQuery: Status(_NOT_UNDERSTOOD, 400, "invalid", 64),
    errors.NotAcceptable: Status(_NOT_UNDERSTOOD, 406, "not-supported", 64),
    errors.SameUidOtherBytes: Status(0x0111, 409, "conflict", 65),
    errors.StaleReview: Status(_PROCESSING_FAILURE, 409, "conflict", 75),
    errors.LockedByOther: Status(_PROCESSING_FAILURE, 409, "lock-error", 75),
    errors.AlreadySigned: Status(_PROCESSING_FAILURE, 409, "conflict", 65),
    errors.ConsentChanged: Status(_PROCESSING_FAILURE, 409, "conflict", 75),
    errors.ConsentRefused: Status(_PROCESSING_FAILURE, 422, "business-rule", 65),
    errors.DecisionRefused: Status(_PROCESSING_FAILURE, 422, "business-rule", 65),
    errors.NotReadyToSign: Status(_PROCESSING_FAILURE, 422, "business-rule", 65),
    errors.LowDisk: Status(_OUT_OF_RESOURCES, 507, "no-store", 74),
    errors.Busy: Status(_OUT_OF_RESOURCES, 503, "throttled", 75),
    errors.NotFound: Status(0x0112, 404, "not-found", 66),
    errors.ObjectLost: Status(_PROCESSING_FAILURE, 500, "no-store", 74),
    errors.ChecksumMismatch: Status(_PROCESSING_FAILURE, 500, "exception", 74),
    errors.RuleFault: Status(_PROCESSING_FAILURE, 500, "business-rule", 78),
    errors.ReaderUnavailable: Status(_PROCESSING_FAILURE, 503, "not-supported", 69),
    errors.BundleRefused: Status(_PROCESSING_FAILURE, 422, "security", 65),
    errors.ReaderFailed: Status(_PROCESSING_FAILURE, 500, "exception", 70),
    errors.ResultFault: Status(_PROCESSING_FAILURE, 500, "exception", 70),
    errors.DestinationUnreachable: Status(_PROCESSING_FAILURE, 502, "transient", 69),
    errors.DestinationRefused: Status(_PROCESSING_FAILURE, 502, "processing", 69),
    errors.AccessDenied: Status(_NOT_AUTHORISED, 403, "forbidden", 77),
    errors.LoginRequired: Status(_NOT_AUTHORISED, 401, "login", 77),
    errors.LoginFailed: Status(_NOT_AUTHORISED, 401, "login", 77),
    errors.AccountLocked: Status(_NOT_AUTHORISED, 429, "throttled", 75),
    errors.ReauthenticationRequired: Status(_NOT_AUTHORISED, 401, "login", 77),
    errors.ForgedRequest: Status(_NOT_AUTHORISED, 403, "security", 77),
    errors.TooManyRequests: Status(_NOT_AUTHORISED, 429, "throttled", 75),
    errors.WeakPassword: Status(_NOT_AUTHORISED, 422, "value", 65),
    errors.IdentityProviderFault: Status(_NOT_AUTHORISED, 502, "transient", 69),
    errors.AccountConflict: Status(_NOT_AUTHORISED, 409, "conflict", 65),
    errors.StudyRestricted: Status(_NOT_AUTHORISED, 403, "forbidden", 77),
    errors.CohortRefused: Status(_PROCESSING_FAILURE, 422, "business-rule", 65),
    errors.AnnotationRefused: Status(_PROCESSING_FAILURE, 422, "value", 65),
    errors.RunRefused: Status(_PROCESSING_FAILURE, 409, "conflict", 73),
    errors.RecipeUnavailable: Status(_PROCESSING_FAILURE, 503, "not-supported", 69),
    errors.FederationRefused: Status(_PROCESSING_FAILURE, 409, "business-rule", 65),
}

_FALLBACK = Status(_PROCESSING_FAILURE, 500, "exception", 70)


def status_of(error: errors.CoReadError) -> Status:
    """Return how `error` is said outside; a subclass speaks as its nearest listed parent."""
    for kind in type(error).__mro__:
        if kind in STATUSES:
            return STATUSES[kind]
    return _FALLBACK
