"""The reading room's doors: pages and identity over the rooms of one clinic."""

from __future__ import annotations

from dataclasses import dataclass

from coread.clinic import Clinic, now
from coread.domain.person import Role
from coread.domain.review import SignedReport
from coread.errors import SettingsFault
from coread.gateways.identity import Identity, IdentityOptions, OidcOptions
from coread.gateways.pages.keeping.system_page import Target
from coread.gateways.pages.pages import PageRooms, Pages
from coread.results import ReportFacts, Signer, pdf
from coread.settings import DestinationSettings, Settings, describe


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
    identity = Identity(clinic.people, clinic.sessions, clinic.tokens, _identity(settings), now)
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
            print_report=lambda report, language: _printed(clinic, report, language),
            prove=identity.prove,
            now=now,
            stale_after_s=settings.workflow.stale_after_s,
            wake=clinic.wake,
        )
    )
    return ReadingRoom(pages, identity, settings.login.required)


def _target(destination: DestinationSettings) -> Target:
    address = destination.url or f"{destination.ae_title} at {destination.host}:{destination.port}"
    return Target(destination.name, destination.kind, address)


def _printed(clinic: Clinic, report: SignedReport, language: str) -> bytes:
    """Print a report from what is kept; its results may not be filed yet."""
    instance = clinic.archive.study(report.study_instance_uid).instances[0]
    readings = tuple(clinic.readings.get(uid) for uid in report.reading_uids)
    named = ((r.reader.name, clinic.registry.card(r.reader.name)) for r in readings)
    reports = clinic.casebook.reports_of(report.study_instance_uid)
    facts = ReportFacts(
        patient=instance.header.facts,
        signer=Signer(report.person_id, report.person_name, clinic.settings.review.organisation),
        readings=readings,
        cards={name: card for name, card in named if card},
        earlier=tuple(r for r in reports if r.number < report.number),
    )
    return pdf(report, facts, language)


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
