"""The settings themselves, section by section: name, default, one sentence, what must hold."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from coread.errors import SettingsFault

_ROLES = ("doctor", "engineer", "quality", "auditor", "administrator")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach `host`.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_ae_title(title: str) -> str:
    """Hold `title` to PS3.5 table 6.2-1, value representation AE."""
    if not 1 <= len(title.strip()) <= 16 or "\\" in title or not title.isascii() or not title.isprintable():
        raise ValueError("an AE title of 1 to 16 printable ASCII characters without a backslash")
    return title.strip()


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise ValueError("a name of lower-case letters, digits and hyphens")
    return name


def _check_database_url(url: str) -> str:
    if url and urlsplit(url).scheme.partition("+")[0] not in {"sqlite", "postgresql"}:
        raise ValueError("empty, or a URL that begins with sqlite:/// or postgresql://")
    return url


def _check_http_url(url: str) -> str:
    if url and (urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname):
        raise ValueError("a URL that begins with http:// or https:// and names a host")
    return url.rstrip("/")


def _check_issuer(url: str) -> str:
    _check_http_url(url)
    return url


def _check_role_of_claim(text: str) -> str:
    value, _, role = text.rpartition("=")
    if not value or role not in _ROLES:
        raise ValueError(f"value=role with a role of {', '.join(_ROLES)}")
    return text


Name = Annotated[str, AfterValidator(_check_name)]
AeTitle = Annotated[str, AfterValidator(_check_ae_title)]
DatabaseUrl = Annotated[str, AfterValidator(_check_database_url)]
HttpUrl = Annotated[str, AfterValidator(_check_http_url)]
#: Kept to the letter, a trailing slash too: the provider's tokens must name it so.
Issuer = Annotated[str, AfterValidator(_check_issuer)]
RoleOfClaim = Annotated[str, AfterValidator(_check_role_of_claim)]
Port = Annotated[int, Field(ge=0, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tls(_Section):
    """DICOM TLS (PS3.15 annex B)."""

    certificate: Path | None = Field(None, description="PEM file of our certificate; none: no TLS.")
    key: Path | None = Field(None, description="PEM file of the certificate's private key.")
    authorities: Path | None = Field(None, description="PEM file of the authorities that we trust.")
    require_peer_certificate: bool = Field(True, description="Whether a peer must show a certificate.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key together, or neither")
        if self.certificate and self.require_peer_certificate and self.authorities is None:
            raise ValueError("authorities, since a peer's certificate is required")
        return self


class Data(_Section):
    """The folder that holds all that is kept on disk."""

    folder: Path = Field(Path("coread-data"), description="Folder of the images and, by default, the index.")
    low_disk_mb: int = Field(512, ge=0, description="Free space in MB below which nothing is taken in.")
    retention_days: int = Field(0, ge=0, description="Days after which a study is deleted; 0: never.")
    keys: Path | None = Field(
        None, description="File of the keys that encrypt objects on the disk; none: the disk itself does."
    )


class DatabaseSettings(_Section):
    """Where the index, the ledger and the workflows are kept."""

    url: DatabaseUrl = Field(
        "",
        description="SQLAlchemy URL of the database; empty: SQLite in the data folder.",
        json_schema_extra={"secret": "url"},
    )
    password_file: Path | None = Field(None, description="File that holds the password (PostgreSQL).")
    sslmode: Literal["", "disable", "require", "verify-ca", "verify-full"] = Field(
        "", description="TLS to PostgreSQL; empty: verify-full where its host is not this machine."
    )
    authorities: Path | None = Field(
        None, description="PEM file of the authorities of PostgreSQL's certificate; none: the system's."
    )

    def whole_url(self) -> str:
        """Return the URL with what the other settings say of password and TLS.

        Source: https://www.postgresql.org/docs/current/libpq-ssl.html
        """
        parts = urlsplit(self.url)
        if not parts.scheme.startswith("postgresql"):
            return self.url
        asked = dict(parse_qsl(parts.query))
        is_near = "host" in asked or not parts.hostname or is_loopback(parts.hostname)
        mode = self.sslmode or ("" if is_near else "verify-full")
        if mode and "sslmode" not in asked:
            asked["sslmode"] = mode
            if self.authorities:
                asked["sslrootcert"] = str(self.authorities)
            elif mode == "verify-full":  # with the system's authorities nothing less is allowed
                asked.setdefault("sslrootcert", "system")
        return urlunsplit(parts._replace(netloc=self._netloc(parts), query=urlencode(asked)))

    def _netloc(self, parts: SplitResult) -> str:
        if self.password_file is None:
            return parts.netloc
        user = quote(parts.username or "", safe="")
        host = parts.netloc.rpartition("@")[2]
        return f"{user}:{quote(_first_line(self.password_file), safe='')}@{host}"


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise SettingsFault(
            "a password file that cannot be read",
            "a readable file whose first line is the password",
            "correct database.password_file",
            "database.password_file",
        ) from error


class Dimse(_Section):
    """The DICOM network service."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(11112, description="TCP port to listen on; 0: any free one.")
    ae_title: AeTitle = Field("COREAD", description="Our application entity title.")
    allowed_calling_aes: tuple[AeTitle, ...] = Field(
        (), description="AE titles that may call; empty: any, which only loopback allows."
    )
    max_associations: int = Field(32, ge=1, le=1024, description="Associations open at one time.")
    max_pdu_bytes: int = Field(262144, ge=4096, le=4194304, description="Largest PDU that we receive.")
    max_object_mb: int = Field(2048, ge=1, description="Largest object in MB that is taken in.")
    idle_timeout_s: float = Field(30, gt=0, description="Seconds of silence after which a peer is given up.")
    open_to_network: bool = Field(
        False, description="Whether to listen without TLS on an address that is not loopback."
    )
    tls: Tls = Field(Tls(), description="DICOM TLS.")

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if is_loopback(self.host):
            return self
        if not self.allowed_calling_aes:
            raise ValueError("allowed_calling_aes, since host is not loopback")
        if self.tls.certificate is None and not self.open_to_network:
            raise ValueError(
                "tls.certificate and tls.key, or open_to_network = true, since host is not loopback"
            )
        return self


class Web(_Section):
    """The HTTP service: DICOMweb, FHIR and pages."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8042, description="TCP port to listen on; 0: any free one.")
    max_body_mb: int = Field(4096, ge=1, description="Largest request body in MB.")
    open_to_network: bool = Field(
        False, description="Whether to serve without TLS or login on an address that is not loopback."
    )
    allowed_origins: tuple[str, ...] = Field((), description="Origins of web viewers on other hosts (CORS).")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Host names, beside loopback, by which a loopback address may be called."
    )
    public_url: HttpUrl = Field("", description="Address as clients know it, where a proxy stands before us.")
    certificate: Path | None = Field(None, description="PEM file of our certificate; none: http.")
    key: Path | None = Field(None, description="PEM file of the certificate's private key.")

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        is_safe = self.certificate is not None or self.public_url.startswith("https://")
        if not (is_loopback(self.host) or is_safe or self.open_to_network):
            raise ValueError(
                "certificate and key, public_url of a proxy with https, or open_to_network = true, "
                "since host is not loopback"
            )
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key together, or neither")
        return self


class Oidc(_Section):
    """Login at the hospital's identity provider (OpenID Connect)."""

    issuer: Issuer = Field("", description="Issuer as its discovery document says it; empty: none.")
    client_id: str = Field("", description="Our name at the provider.")
    client_secret_file: Path | None = Field(None, description="File that holds our secret; none: PKCE alone.")
    label: str = Field("", description="What the login button says, e.g. the hospital's name.")
    scope: str = Field("openid profile", description="What we ask the provider for.")
    login_claim: str = Field("preferred_username", description="Claim that holds the login.")
    role_claim: str = Field("", description="Path of the claim that holds the roles; empty: given here.")
    roles: tuple[RoleOfClaim, ...] = Field((), description="What a claim's value means, as value=role.")
    may_add: bool = Field(True, description="Whether who is not known yet gets an account.")
    asks_each_time: bool = Field(False, description="Whether each login asks for the password again.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.issuer and not self.client_id:
            raise ValueError("client_id, which an issuer needs")
        return self


class Login(_Section):
    """Who may come in."""

    required: bool = Field(True, description="Whether DICOMweb and FHIR ask who is there; pages always do.")
    passwords: bool = Field(True, description="Whether people may log in with a password kept here.")
    min_password_length: int = Field(12, ge=8, le=128, description="Shortest password that may be set.")
    idle_timeout_s: float = Field(1800, gt=0, description="Seconds without a request that end a session.")
    longest_session_s: float = Field(43200, gt=0, description="Seconds after which any session ends.")
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses of proxies whose X-Forwarded-For is believed."
    )
    oidc: Oidc = Field(Oidc(), description="Login at an identity provider.")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.required and not self.passwords and not self.oidc.issuer:
            raise ValueError("passwords = true or oidc.issuer, for otherwise nobody could log in")
        return self


ModeName = Literal["blind-first", "concurrent", "second-reader", "triage-only"]


class ModeSettings(_Section):
    """When some doctors see some readers; the first that fits decides."""

    mode: ModeName = Field(description="When the reader's answer is shown.")
    role: Literal["", "doctor", "engineer", "quality", "auditor", "administrator"] = Field(
        "", description="Role of the person; empty: any."
    )
    reader: str = Field("", description="Name of the AI reader; empty: any.")
    site: str = Field("", description="Institution Name of the study; empty: any.")


class Reviewing(_Section):
    """How doctors read."""

    mode: ModeName = Field("concurrent", description="When readers' answers are shown where no rule fits.")
    modes: tuple[ModeSettings, ...] = Field((), description="Modes by role, reader and site.")
    nudge_rate: float = Field(0.1, ge=0, le=1, description="Share of findings that ask why before accept.")
    nudge_seed: str = Field("", description="Changes which findings these are.")
    lock_s: float = Field(900, gt=0, description="Seconds of rest after which a study's lock ends.")
    overdue_h: float = Field(24, gt=0, description="Hours of waiting that raise a study in the list.")
    organisation: str = Field("", description="Hospital as reports name it; empty: the images' institution.")


class Completeness(_Section):
    """When a study counts as complete."""

    quiet_period_s: float = Field(10, ge=0, description="Seconds without a new image after which it is.")
    poll_interval_s: float = Field(0.1, gt=0, le=60, description="Seconds between two looks.")


class Containers(_Section):
    """How much a zip or a folder may hold when it is imported."""

    max_files: int = Field(100_000, ge=1, description="Files in one zip or folder.")
    max_total_mb: int = Field(65536, ge=1, description="Unpacked size of one zip in MB.")
    max_ratio: int = Field(200, ge=1, description="Unpacked size over packed size of a zip.")


class Workflow(_Section):
    """The journey of a study through the readers."""

    concurrency: int = Field(2, ge=1, le=256, description="Studies on their way at one time in one worker.")
    heartbeat_s: float = Field(2, gt=0, description="Seconds between two signs of life of a worker.")
    stale_after_s: float = Field(15, gt=0, description="Seconds of silence after which one counts as dead.")
    delivery_attempts: int = Field(10, ge=1, description="Tries to deliver one result to one destination.")
    first_retry_s: float = Field(2, gt=0, description="Seconds before the second try; each wait doubles.")
    longest_retry_s: float = Field(600, gt=0, description="Longest wait in seconds between two tries.")

    @model_validator(mode="after")
    def _patient(self) -> Self:
        if self.stale_after_s < 2 * self.heartbeat_s:
            raise ValueError("stale_after_s of at least twice heartbeat_s")
        return self


class Routing(_Section):
    """Which readers see which study."""

    rules: Path | None = Field(None, description="TOML file of the rules; none: the rules that ship.")


class ReaderSettings(_Section):
    """How the readers run."""

    threads: int = Field(0, ge=0, description="Threads of one inference; 0: as many as there are cores.")
    memory_mb: int = Field(
        4096, ge=256, description="Most memory of a network that does not come with CoRead, MiB, per process."
    )
    warm_up: bool = Field(True, description="Whether readers load their weights at start.")
    trusted_publishers: tuple[Path, ...] = Field(
        (), description="PEM files of the public keys of those whose readers may be used beside CoRead's own."
    )
    allow_unsigned: bool = Field(
        False, description="Whether readers may be used that nobody trusted has signed."
    )


class AccessSettings(_Section):
    """Acts that somebody else looks at: before they are done, or after."""

    break_glass_s: float = Field(
        3600, gt=0, le=86400, description="Seconds for which a restricted study opens to who gave a reason."
    )
    four_eyes: bool = Field(
        True, description="Whether the ledger's key is changed only after a second person approved."
    )
    approval_s: float = Field(
        86400, gt=0, le=2592000, description="Seconds within which what was approved must be done."
    )


def _check_origin(name: str) -> str:
    if name and not re.fullmatch(r"[A-Za-z0-9._:/-]{1,100}", name):
        raise ValueError("a name of at most 100 letters, digits and ._:/- signs")
    return name


class LedgerSettings(_Section):
    """Who signs the record of every step, and who else keeps what was signed."""

    key: Path | None = Field(
        None, description="PEM file of the Ed25519 key that signs; none: ledger.key in the data folder."
    )
    origin: Annotated[str, AfterValidator(_check_origin)] = Field(
        "", description="Name of this ledger among witnesses; empty: made of its first key."
    )
    head_interval_s: float = Field(
        300, ge=0, description="Seconds between two signed heads; 0: another process signs."
    )
    witness_file: Path | None = Field(None, description="File of another system that each head is added to.")
    witness_fhir: HttpUrl = Field("", description="Base URL of a FHIR server that keeps each head.")
    time_stamps: HttpUrl = Field("", description="URL of an authority (RFC 3161) that stamps each head.")
    authorities: Path | None = Field(None, description="PEM file of the authorities behind its stamps.")
    jurisdictions: tuple[str, ...] = Field(
        (),
        description="Whose law says how long the record is kept, e.g. CN; empty: the longest of all.",
    )


class AuditSettings(_Section):
    """Audit record repositories that take every event."""

    source: str = Field("coread", min_length=1, description="Our name in audit records.")
    site: str = Field("", description="Hospital as audit records name it.")
    fhir_url: HttpUrl = Field("", description="Base URL of a FHIR server that takes AuditEvents (IHE BALP).")
    syslog_host: str = Field("", description="Host that takes audit messages by syslog over TLS (IHE ATNA).")
    syslog_port: Port = Field(6514, description="TCP port of that host.")
    authorities: Path | None = Field(None, description="PEM file of the authorities that we trust there.")
    certificate: Path | None = Field(None, description="PEM file of our certificate, where one is asked for.")
    key: Path | None = Field(None, description="PEM file of the certificate's private key.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key together, or neither")
        return self


UseName = Literal["care", "ai-in-care", "learning", "federation", "teaching"]


class ConsentSettings(_Section):
    """What holds where a patient has decided nothing, and what patients are told."""

    jurisdiction: Literal["", "CN", "EU", "US", "JP"] = Field(
        "", description="Whose law says what needs consent; empty: for each use the strictest of all."
    )
    opt_in: tuple[UseName, ...] = Field(
        (), description="Uses for which this house asks everybody, whatever the law lets it do."
    )
    issuer: str = Field(
        "", max_length=64, description="Issuer of the Patient IDs of images that name none; empty: none."
    )
    contact: str = Field(
        "", max_length=200, description="Whom patients ask about AI and consent, as the notice says it."
    )


class ExportSettings(_Section):
    """De-identified copies on their way out."""

    folder: Path | None = Field(
        None, description="Folder of the exports that wait; none: exports in the data folder."
    )
    needs_review: bool = Field(
        True, description="Whether an export leaves only after somebody has looked at it and accepted it."
    )
    audit: bool = Field(True, description="Whether a second program audits each export.")
    secrets: Path | None = Field(
        None,
        description="Folder of the pseudonyms' key, and of a vault; none: secrets in the data folder.",
    )


class Calls(_Section):
    """How other systems are called by https: destinations, witnesses, time stamps, the identity provider."""

    authorities: Path | None = Field(
        None, description="PEM file of the authorities behind their certificates; none: the system's."
    )
    certificate: Path | None = Field(None, description="PEM file of our certificate, where one is asked for.")
    key: Path | None = Field(None, description="PEM file of the certificate's private key.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key together, or neither")
        return self


class DestinationSettings(_Section):
    """One peer that results are sent to."""

    name: Name = Field(description="Name that rules use.")
    kind: Literal["dimse", "stow", "fhir"] = Field(description="Protocol.")
    host: str = Field("", description="Address of the peer (dimse).")
    port: Port = Field(104, description="TCP port of the peer (dimse).")
    ae_title: AeTitle = Field("ANY-SCP", description="AE title of the peer (dimse).")
    tls: bool = Field(False, description="Whether to call with our certificate (dimse).")
    url: HttpUrl = Field("", description="Base URL of the peer (stow, fhir).")
    timeout_s: float = Field(30, gt=0, description="Seconds of silence after which the peer is given up.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind == "dimse" and not self.host:
            raise ValueError("host, which a dimse destination needs")
        if self.kind != "dimse" and not self.url:
            raise ValueError(f"url, which a {self.kind} destination needs")
        return self


def _listens_in_clear(host: str, certificate: Path | None) -> bool:
    return certificate is None and not is_loopback(host)


def _is_clear(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


class Settings(_Section):
    """All settings of one clinic."""

    data: Data = Field(default_factory=Data)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    dimse: Dimse = Field(default_factory=Dimse)
    web: Web = Field(default_factory=Web)
    login: Login = Field(default_factory=Login)
    review: Reviewing = Field(default_factory=Reviewing)
    completeness: Completeness = Field(default_factory=Completeness)
    containers: Containers = Field(default_factory=Containers)
    workflow: Workflow = Field(default_factory=Workflow)
    routing: Routing = Field(default_factory=Routing)
    readers: ReaderSettings = Field(default_factory=ReaderSettings)
    calls: Calls = Field(default_factory=Calls)
    access: AccessSettings = Field(default_factory=AccessSettings)
    consent: ConsentSettings = Field(default_factory=ConsentSettings)
    ledger: LedgerSettings = Field(default_factory=LedgerSettings)
    audit: AuditSettings = Field(default_factory=AuditSettings)
    exports: ExportSettings = Field(default_factory=ExportSettings)
    destinations: tuple[DestinationSettings, ...] = Field((), description="Peers that results are sent to.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not (is_loopback(self.web.host) or self.login.required or self.web.open_to_network):
            raise ValueError("login.required or web.open_to_network = true, since web.host is not loopback")
        names = [d.name for d in self.destinations]
        if len(names) != len(set(names)):
            raise ValueError("destinations with a name of their own each")
        return self

    @property
    def database_url(self) -> str:
        """URL of the database, the default filled in."""
        return self.database.whole_url() or f"sqlite:///{(self.data.folder / 'coread.sqlite').absolute()}"

    @property
    def exports_folder(self) -> Path:
        """Folder of the exports that wait, the default filled in."""
        return self.exports.folder or self.data.folder / "exports"

    @property
    def exports_secrets(self) -> Path:
        """Folder of the pseudonyms' key, the default filled in."""
        return self.exports.secrets or self.data.folder / "secrets"

    def in_clear(self) -> tuple[str, ...]:
        """Name the settings by which something crosses a network without TLS."""
        urls = {
            "ledger.witness_fhir": self.ledger.witness_fhir,
            "ledger.time_stamps": self.ledger.time_stamps,
            "audit.fhir_url": self.audit.fhir_url,
            **{f"destinations.{d.name}": d.url for d in self.destinations},
        }
        peers = [d for d in self.destinations if d.kind == "dimse" and not (d.tls or is_loopback(d.host))]
        return (
            *(["dimse.host"] if _listens_in_clear(self.dimse.host, self.dimse.tls.certificate) else []),
            *(["web.host"] if _listens_in_clear(self.web.host, self.web.certificate) else []),
            *(name for name, url in urls.items() if _is_clear(url)),
            *(f"destinations.{d.name}" for d in peers),
        )

    @property
    def ledger_key(self) -> Path:
        """File of the key that signs the ledger, the default filled in."""
        return self.ledger.key or self.data.folder / "ledger.key"


#: Settings that are tables of their own, any number of them.
TABLES: dict[str, type[_Section]] = {"destinations": DestinationSettings, "review.modes": ModeSettings}
