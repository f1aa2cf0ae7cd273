"""The clinic's composition root: from settings to rooms.

Three roles share one set of settings. A ``gateway`` takes images in and answers questions; a
``worker`` takes complete studies through their journey; ``all`` is both in one process. A gateway
loads neither the inference engine nor the writers of results.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import EntryPoint
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from coread.archive import (
    Archive,
    Database,
    Deliveries,
    DiskStore,
    Keyring,
    ObjectStore,
    Quarantine,
    Query,
    Readings,
    Resources,
    SealedStore,
    Studies,
    Workers,
)
from coread.casebook import Casebook
from coread.domain.consent import NEEDS, NO_CONSENT, Act, Decision, PatientIdentity, Use
from coread.domain.event import Event
from coread.domain.person import Role as PersonRole
from coread.domain.review import Mode
from coread.errors import NotFound, ReaderUnavailable
from coread.governance import (
    Approvals,
    ConsentRules,
    Consents,
    Emergencies,
    PasswordPolicy,
    People,
    Restrictions,
    SessionLimits,
    Sessions,
    StudyConsents,
    Tokens,
)
from coread.governance.exports import ExportDesk
from coread.intake import Intake, Limits
from coread.ledger import FileWitness, Ledger, Notary
from coread.readers import Machine, Registry, Vetted, Vetting, publisher_of
from coread.review import ModeRule, Policy, ReviewDesk
from coread.routing import Rules, default_rules, load_rules
from coread.settings import Settings
from coread.workflow import Destination, Patience, Rhythm, Rooms, Sender

if TYPE_CHECKING:
    from coread.workflow import Worker

Role: TypeAlias = Literal["all", "gateway", "worker"]

_MB = 1 << 20
_MOST_STUDIES = 1000


class Clinic:
    """The rooms of one clinic, built from its settings.

    Parameters
    ----------
    settings
        As :func:`coread.settings.load` read them.
    senders
        One for each kind of destination (``dimse``, ``stow``, ``fhir``); the gateways lend them.
    readers
        Entry points of the readers; those of the installation if left out.
    probe
        For tests: called before and after each step of the workflow.

    Examples
    --------
    ::

        with Clinic(settings).start("all") as clinic:
            clinic.intake.accept_bytes(data, "folder")
    """

    def __init__(
        self,
        settings: Settings,
        senders: Mapping[str, Sender] | None = None,
        readers: Iterable[EntryPoint] | None = None,
        probe: Callable[[str], None] | None = None,
    ) -> None:
        self.settings = settings
        self._senders = dict(senders or {})
        self._readers = readers
        self._probe = probe
        self.database = Database(settings.database_url)
        self.database.migrate()
        self.store = _store(settings)
        self.ledger = Ledger(self.database)
        self.notary = _notary(settings, self.database, self.ledger)
        self.studies = Studies(self.database)
        self.archive = Archive(self.database, self.store)
        self.readings = Readings(self.database)
        self.resources = Resources(self.database)
        self.deliveries = Deliveries(self.database)
        self.workers = Workers(self.database)
        self.quarantine = Quarantine(self.database, self.store)
        login = settings.login
        self.people = People(self.database, self.ledger, PasswordPolicy(login.min_password_length))
        limits = SessionLimits(login.idle_timeout_s, login.longest_session_s)
        self.sessions = Sessions(self.database, self.ledger, limits)
        self.tokens = Tokens(self.database, self.ledger)
        self.restrictions = Restrictions(self.database, self.ledger)
        self.emergencies = Emergencies(
            self.database, self.ledger, self.restrictions, settings.access.break_glass_s
        )
        self.approvals = Approvals(self.database, self.ledger, settings.access.approval_s)
        self.casebook = Casebook(self.database, self.ledger, now)
        self.consents = consents_of(settings, self.database, self.ledger)
        self.study_consents = StudyConsents(self.consents, self.archive.persons, now)
        self.consents.listeners.append(self._heard)
        self.worker: Worker | None = None

    @cached_property
    def intake(self) -> Intake:
        """Takes images in."""
        limits = Limits()
        return Intake(self.archive, self.quarantine, limits, now)

    @cached_property
    def registry(self) -> Registry:
        """Know the installed readers; each is loaded when it is first asked for."""
        threads = self.settings.readers.threads or os.cpu_count() or 1
        vetting = _vetting(self.settings) if self._readers is None else None
        return Registry.load(self._readers, Machine(threads, self.settings.readers.memory_mb), vetting)

    def vetted_readers(self) -> tuple[Vetted, ...]:
        """Say of every installed reader who signed it; none is imported."""
        return self.registry.vetted(_vetting(self.settings))

    @cached_property
    def rules(self) -> Rules:
        """Which readers see which study.

        Raises
        ------
        RuleFault
            If the rules file cannot be used.
        """
        path = self.settings.routing.rules
        text = path.read_text(encoding="utf-8") if path else default_rules()
        return load_rules(text, self.registry.names, [d.name for d in self.settings.destinations])

    @cached_property
    def desk(self) -> ReviewDesk:
        """What doctors do with studies."""
        return ReviewDesk(
            self.casebook,
            self.archive,
            self.studies,
            self.readings,
            self.deliveries,
            cards=self.registry.card,
            evaluations=self.registry.evaluation,
            ledger=self.ledger,
            clock=now,
            policy=_policy(self.settings),
            names=self.name_of,
            askable=self.registry.prompted,
            reconsider=self.registry.reconsider,
            consents=self.study_consents,
        )

    @cached_property
    def exports(self) -> ExportDesk:
        """De-identified copies on their way out."""
        originals = {"archive": self.archive.read, "folder": lambda path: Path(path).read_bytes()}
        return ExportDesk(self.settings.exports_folder, self.ledger, now, originals, self.consents.may)

    def name_of(self, person_id: str) -> str:
        """Return a person's name for pages and reports; the id where nobody of it is known."""
        try:
            return self.people.get(person_id).display_name
        except NotFound:
            return person_id

    def start(self, role: Role = "all") -> Self:
        """Start what the role needs; a gateway's servers are started by the gateways themselves.

        Raises
        ------
        SettingsFault
            If a worker already runs on this SQLite database.
        RuleFault
            If the rules file cannot be used.
        """
        _ = self.rules
        self.archive.reconcile(now())
        if role != "gateway":
            self.worker = self._new_worker()
            self.worker.start()
            if self.settings.readers.warm_up:
                threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()
        return self

    def complete(self, study_uid: str) -> None:
        """Say that all images of a study have come.

        Raises
        ------
        NotFound
            If nothing of the study is kept.
        """
        self.studies.complete_now(study_uid)
        self.wake()

    def wake(self) -> None:
        """Look for complete studies at once; without a worker in this process, do nothing."""
        if self.worker:
            self.worker.wake()

    def _heard(self, person: PatientIdentity, decision: Decision) -> None:
        """Put a decision on the record of the person's studies; let readers read what waited for it."""
        is_for_readers = decision.act is Act.GIVEN and decision.use in NEEDS[Use.AI]
        for uid in self._studies_of(person, decision.person_ref):
            self.ledger.append(_consent_changed(uid, decision))
            if is_for_readers and self._is_unread(uid) and self.study_consents.may(uid, Use.AI).is_allowed:
                self.studies.arrived(uid, now(), 0)
        self.wake()

    def _studies_of(self, person: PatientIdentity, person_ref: str) -> list[str]:
        if set("*?\\") & set(person.patient_id):
            return []
        found = self.archive.find_studies(Query({"PatientID": person.patient_id}, limit=_MOST_STUDIES))
        named = ((facts["StudyInstanceUID"], PatientIdentity.of(facts)) for facts in found)
        return [uid for uid, own in named if self.consents.reference(own) == person_ref]

    def _is_unread(self, study_uid: str) -> bool:
        """Tell whether the newest readings were left undone for want of consent, and nobody has signed."""
        held = self.readings.of_study(study_uid)
        newest = max((reading.study_version for reading in held), default=0)
        codes = {r.reason.code for r in held if r.study_version == newest and r.reason}
        return NO_CONSENT in codes and not self.casebook.reports_of(study_uid)

    def stop(self) -> None:
        """Stop the worker and close the database; what is under way goes on at the next start."""
        if self.worker:
            self.worker.stop()
            self.worker = None
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.stop()

    def _new_worker(self) -> Worker:
        # Brings the writers of results and the durable engine, which a gateway does without.
        from coread.workflow import Worker  # noqa: PLC0415

        plan = self.settings.workflow
        rooms = Rooms(
            archive=self.archive,
            studies=self.studies,
            readings=self.readings,
            resources=self.resources,
            deliveries=self.deliveries,
            intake=self.intake,
            ledger=self.ledger,
            registry=self.registry,
            rules=self.rules,
            now=now,
            destinations=_destinations(self.settings),
            senders=self._senders,
            patience=Patience(plan.delivery_attempts, plan.first_retry_s, plan.longest_retry_s),
            casebook=self.casebook,
            prompts=self.casebook.prompts,
            organization=self.settings.review.organisation,
            consents=self.study_consents,
        )
        folder = self.settings.data.folder
        url = (
            f"sqlite:///{(folder / 'workflow.sqlite').absolute()}"
            if self.database.is_sqlite
            else self.database.url
        )
        probe = {"probe": self._probe} if self._probe else {}
        return Worker(rooms, self.workers, _rhythm(self.settings), url, folder / "worker.lock", **probe)

    def _warm_up(self) -> None:
        """Load each reader, so that the first study does not wait for it."""
        for name in self.registry.names:
            with contextlib.suppress(ReaderUnavailable):
                self.registry.reader(name)


def now() -> datetime:
    """Tell the time: the house's one clock, in UTC."""
    return datetime.now(UTC)


def _consent_changed(study_uid: str, decision: Decision) -> Event:
    facts = {"consent": decision.uid, "purpose": str(decision.use), "consent_status": str(decision.act)}
    key = f"study.consent-changed:{study_uid}:{decision.uid}"
    return Event("study.consent-changed", study_uid, decision.actor, decision.recorded_at, facts, key)


def consents_of(settings: Settings, database: Database, ledger: Ledger) -> Consents:
    """Build the register of consent, by the rules that the settings choose."""
    wanted = settings.consent
    rules = ConsentRules(wanted.jurisdiction, tuple(Use(use) for use in wanted.opt_in))
    return Consents(database, ledger, now, rules, wanted.issuer)


def _notary(settings: Settings, database: Database, ledger: Ledger) -> Notary:
    """Build who signs the ledger; the gateways add witnesses that speak a protocol."""
    file = settings.ledger.witness_file
    witnesses = [FileWitness(file)] if file else []
    return Notary(database, ledger, settings.ledger_key, now, settings.ledger.origin, witnesses)


def _store(settings: Settings) -> ObjectStore:
    disk = DiskStore(settings.data.folder / "objects", settings.data.low_disk_mb * _MB)
    keys = settings.data.keys
    return SealedStore(disk, Keyring.read(keys)) if keys else disk


def _vetting(settings: Settings) -> Vetting:
    """Say whose readers may be used; those that a caller names are the caller's own affair."""
    publishers = tuple(publisher_of(path) for path in settings.readers.trusted_publishers)
    return Vetting(publishers, settings.readers.allow_unsigned)


def _limits(settings: Settings) -> Limits:
    containers = settings.containers
    return Limits(
        object_bytes=settings.dimse.max_object_mb * _MB,
        zip_entries=containers.max_files,
        zip_total_bytes=containers.max_total_mb * _MB,
        zip_ratio=containers.max_ratio,
    )


def _rhythm(settings: Settings) -> Rhythm:
    return Rhythm(
        quiet_period_s=settings.completeness.quiet_period_s,
        poll_interval_s=settings.completeness.poll_interval_s,
        concurrency=settings.workflow.concurrency,
        heartbeat_s=settings.workflow.heartbeat_s,
        stale_after_s=settings.workflow.stale_after_s,
    )


def _policy(settings: Settings) -> Policy:
    wanted = settings.review
    rules = (
        ModeRule(Mode(m.mode), PersonRole(m.role) if m.role else None, m.reader, m.site) for m in wanted.modes
    )
    return Policy(
        tuple(rules), Mode(wanted.mode), wanted.nudge_rate, wanted.nudge_seed, wanted.lock_s, wanted.overdue_h
    )


def _destinations(settings: Settings) -> dict[str, Destination]:
    return {d.name: Destination(**d.model_dump()) for d in settings.destinations}
