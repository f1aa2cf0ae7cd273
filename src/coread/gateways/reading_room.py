"""The reading room's doors: pages and identity over the rooms of one clinic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from coread.clinic import Clinic, now
from coread.domain.person import Role
from coread.domain.review import SignedReport
from coread.errors import SettingsFault
from coread.gateways.audit import audit_source, equip
from coread.gateways.identity import Identity, IdentityOptions, OidcOptions, Oversight
from coread.gateways.outgoing import tls_context
from coread.gateways.pages.keeping.system_page import Target
from coread.gateways.pages.pages import PageRooms, Pages
from coread.settings import DestinationSettings, Settings, describe
from coread.workflow import Press


@dataclass(frozen=True, slots=True)
class ReadingRoom:
    """What a web service needs to let people in."""

    pages: Pages
    identity: Identity
    guards_services: bool = True
    """Whether DICOMweb and FHIR ask who is there."""


def reading_room(clinic: Clinic) -> ReadingRoom:
    """Put pages and identity over a clinic.

    Raises
    ------
    SettingsFault
        If the identity provider's secret cannot be read.
    """
    settings = clinic.settings
    equip(clinic)
    identity = Identity(
        clinic.people, clinic.sessions, clinic.tokens, _identity(settings), now, _oversight(clinic)
    )
    pages = Pages(
        PageRooms(
            desk=clinic.desk,
            people=clinic.people,
            archive=clinic.archive,
            studies=clinic.studies,
            deliveries=clinic.deliveries,
            quarantine=clinic.quarantine,
            intake=clinic.intake,
            ledger=clinic.ledger,
            workers=clinic.workers,
            rules=lambda: clinic.rules,
            reader_names=lambda: clinic.registry.names,
            cards=clinic.registry.card,
            evaluations=clinic.registry.evaluation,
            targets=[_target(d) for d in settings.destinations],
            settings=lambda: describe(settings),
            reports=clinic.casebook.reports_of,
            print_report=_press(clinic),
            prove=identity.prove,
            now=now,
            stale_after_s=settings.workflow.stale_after_s,
            wake=clinic.wake,
            notary=clinic.notary,
            audit_source=audit_source(settings),
            consents=clinic.consents,
            contact=settings.consent.contact,
            organisation=settings.review.organisation,
            exports=lambda: clinic.exports,
        )
    )
    return ReadingRoom(pages, identity, settings.login.required)


def _oversight(clinic: Clinic) -> Oversight:
    return Oversight(clinic.restrictions, clinic.emergencies, clinic.approvals)


def _target(destination: DestinationSettings) -> Target:
    address = destination.url or f"{destination.ae_title} at {destination.host}:{destination.port}"
    return Target(destination.name, destination.kind, address)


def _press(clinic: Clinic) -> Callable[[SignedReport, str], bytes]:
    """Print reports; what prints is loaded when the first is asked for."""

    @cache
    def press() -> Press:
        organisation = clinic.settings.review.organisation
        return Press(clinic.archive, clinic.readings, clinic.casebook, clinic.registry.card, organisation)

    def printed(report: SignedReport, language: str) -> bytes:
        return press()(report, language)

    return printed


def _identity(settings: Settings) -> IdentityOptions:
    login = settings.login
    return IdentityOptions(
        public_url=settings.web.public_url,
        trusted_proxies=frozenset(login.trusted_proxies),
        has_local_login=login.passwords,
        oidc=_oidc(settings) if login.oidc.issuer else None,
    )


def _oidc(settings: Settings) -> OidcOptions:
    given = settings.login.oidc
    pairs = (text.rpartition("=") for text in given.roles)
    return OidcOptions(
        issuer=given.issuer,
        client_id=given.client_id,
        client_secret=_secret(settings),
        label=given.label,
        scope=given.scope,
        login_claim=given.login_claim,
        role_claim=given.role_claim,
        roles={value: Role(role) for value, _, role in pairs},
        may_add=given.may_add,
        prompt="login" if given.asks_each_time else "",
        tls=tls_context(settings.calls.authorities, settings.calls.certificate, settings.calls.key),
    )


def _secret(settings: Settings) -> str:
    file = settings.login.oidc.client_secret_file
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsFault(
            found="a client secret file that cannot be read",
            expected="a readable text file",
            remedy="correct login.oidc.client_secret_file",
            where="login.oidc.client_secret_file",
        ) from error
