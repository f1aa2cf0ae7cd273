"""Every setting: name with its unit, default, one sentence.

One TOML file and the environment give the settings; the environment wins. A
variable is ``COREAD_`` and the setting's path, sections joined by ``__``::

    COREAD_DIMSE__PORT=11113
    COREAD_DIMSE__ALLOWED_CALLING_AES='["CT1", "DX1"]'

All faults are told at once, an unknown name among them.
"""

from __future__ import annotations

import ipaddress
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticUndefined

from coread.errors import SettingsFault

PREFIX = "COREAD_"

#: Variables of this prefix that are no settings: the file's place, and what the tests ask for.
NOT_SETTINGS = frozenset({"COREAD_SETTINGS", "COREAD_SHARED_DATA", "COREAD_REQUIRE_PEERS", "COREAD_KILLS"})

_HIDDEN = "(hidden)"


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


Name = Annotated[str, AfterValidator(_check_name)]
AeTitle = Annotated[str, AfterValidator(_check_ae_title)]
DatabaseUrl = Annotated[str, AfterValidator(_check_database_url)]
HttpUrl = Annotated[str, AfterValidator(_check_http_url)]
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


class DatabaseSettings(_Section):
    """Where the index, the ledger and the workflows are kept."""

    url: DatabaseUrl = Field(
        "",
        description="SQLAlchemy URL of the database; empty: SQLite in the data folder.",
        json_schema_extra={"secret": "url"},
    )


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
    tls: Tls = Field(Tls(), description="DICOM TLS.")

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if not is_loopback(self.host) and not self.allowed_calling_aes:
            raise ValueError("allowed_calling_aes, since host is not loopback")
        return self


class Web(_Section):
    """The HTTP service: DICOMweb, FHIR and pages."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8042, description="TCP port to listen on; 0: any free one.")
    max_body_mb: int = Field(4096, ge=1, description="Largest request body in MB.")
    open_to_network: bool = Field(
        False, description="Whether to serve without login on an address that is not loopback."
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
        if not is_loopback(self.host) and not self.open_to_network:
            raise ValueError("open_to_network = true, since host is not loopback and there is no login")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key together, or neither")
        return self


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
    warm_up: bool = Field(True, description="Whether readers load their weights at start.")


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


class Settings(_Section):
    """All settings of one clinic."""

    data: Data = Field(default_factory=Data)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    dimse: Dimse = Field(default_factory=Dimse)
    web: Web = Field(default_factory=Web)
    completeness: Completeness = Field(default_factory=Completeness)
    containers: Containers = Field(default_factory=Containers)
    workflow: Workflow = Field(default_factory=Workflow)
    routing: Routing = Field(default_factory=Routing)
    readers: ReaderSettings = Field(default_factory=ReaderSettings)
    destinations: tuple[DestinationSettings, ...] = Field((), description="Peers that results are sent to.")

    @model_validator(mode="after")
    def _one_name_each(self) -> Self:
        names = [d.name for d in self.destinations]
        if len(names) != len(set(names)):
            raise ValueError("destinations with a name of their own each")
        return self

    @property
    def database_url(self) -> str:
        """URL of the database, the default filled in."""
        return self.database.url or f"sqlite:///{(self.data.folder / 'coread.sqlite').absolute()}"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table that ``coread settings`` prints."""

    key: str
    value: str
    default: str
    sentence: str
    unit: str


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


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the settings from a file and the environment.

    Parameters
    ----------
    path
        The TOML file; none: defaults and environment only. Relative paths in it are
        relative to its own folder.
    environ
        The environment; variables without the prefix are not looked at.

    Raises
    ------
    SettingsFault
        If anything is wrong; `found` lists every fault.
    """
    tree = _read(path) if path else {}
    problems = _overlay(tree, environ)
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        problems += [_told(detail) for detail in error.errors(include_url=False)]
    if problems:
        raise _fault(problems, path)
    return _anchored(settings, path.parent) if path else settings


def describe(settings: Settings) -> tuple[Setting, ...]:
    """List every setting with its value, default and sentence; secrets are hidden."""
    rows = list(_rows("", settings))
    rows += [row for n, d in enumerate(settings.destinations) for row in _rows(f"destinations[{n}].", d)]
    return tuple(rows)


def markdown() -> str:
    """Write the page ``docs/settings.md`` from the fields themselves."""
    rows = [*_rows("", Settings()), *_fields_of_a_destination()]
    lines = [f"| `{r.key}` | `{r.default or '(empty)'}` | {r.unit} | {r.sentence} |" for r in rows]
    head = [
        "# Settings",
        "",
        (__doc__ or "").strip(),
        "",
        "| setting | default | unit | meaning |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *lines, ""])


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _fault([f"{path.name}: found {error.strerror}, expected a readable TOML file"], path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _fault([f"{path.name}: found {error}, expected TOML"], path) from error


def _overlay(tree: dict[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Put the environment's settings over the file's; return what cannot be."""
    problems = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            path = name.removeprefix(PREFIX).lower().split("__")
            if not _put(tree, path, _value(environ[name])):
                problems.append(f"{name}: found a section that is a value in the file, expected a table")
    return problems


def _put(tree: dict[str, Any], path: list[str], value: Any) -> bool:
    *sections, last = path
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            return False
    tree[last] = value
    return True


def _value(text: str) -> Any:
    """Read a list or table as JSON; leave all else as text, which pydantic converts."""
    if text[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _told(detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"]) or "settings"
    if detail["type"] == "extra_forbidden":
        return f"{key}: found an unknown name, expected one that `coread settings` lists"
    if detail["type"] == "missing":
        return f"{key}: found nothing, expected a value"
    expected = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{key}: found {_shown(key, detail['input'])}, expected {expected}"


def _shown(key: str, value: Any) -> str:
    if key in _secrets():
        return _HIDDEN
    return "what is there" if isinstance(value, dict | BaseModel) else repr(value)


def _secrets() -> frozenset[str]:
    return frozenset(key for key, _, extra in _leaves("", Settings) if extra.get("secret"))


def _leaves(prefix: str, section: type[BaseModel]) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _leaves(f"{prefix}{name}.", kind)
        else:
            extra = field.json_schema_extra
            yield f"{prefix}{name}", field, extra if isinstance(extra, dict) else {}


def _rows(prefix: str, section: BaseModel) -> Iterator[Setting]:
    for key, field, extra in _leaves("", type(section)):
        default = "" if field.default is PydanticUndefined else field.default
        value = _at(section, key)
        if key == "destinations":
            value = tuple(d.name for d in value)
        masked = _without_password(value) if extra.get("secret") == "url" else _text(value)
        yield Setting(f"{prefix}{key}", masked, _text(default), field.description or "", _unit(key))


def _fields_of_a_destination() -> Iterator[Setting]:
    for key, field, _ in _leaves("destinations[].", DestinationSettings):
        default = "(required)" if field.default is PydanticUndefined else _text(field.default)
        yield Setting(key, "", default, field.description or "", _unit(key))


def _at(section: BaseModel, key: str) -> Any:
    value: Any = section
    for part in key.split("."):
        value = getattr(value, part)
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if not parts.password:
        return url
    netloc = parts.netloc.replace(f":{parts.password}@", f":{_HIDDEN}@")
    return urlunsplit(parts._replace(netloc=netloc))


def _unit(key: str) -> str:
    suffix = key.rpartition("_")[2]
    return {"s": "s", "mb": "MB", "bytes": "bytes", "days": "days"}.get(suffix, "")


def _anchored(settings: Settings, folder: Path) -> Settings:
    """Make relative paths of the file relative to the file's own folder."""
    data = settings.data.model_copy(update={"folder": folder / settings.data.folder})
    rules = settings.routing.rules
    routing = settings.routing.model_copy(update={"rules": folder / rules if rules else None})
    tls = settings.dimse.tls
    files = {n: folder / p for n in ("certificate", "key", "authorities") if (p := getattr(tls, n))}
    dimse = settings.dimse.model_copy(update={"tls": tls.model_copy(update=files)})
    web_files = {n: folder / p for n in ("certificate", "key") if (p := getattr(settings.web, n))}
    web = settings.web.model_copy(update=web_files)
    return settings.model_copy(update={"data": data, "routing": routing, "dimse": dimse, "web": web})


def _fault(problems: list[str], path: Path | None) -> SettingsFault:
    return SettingsFault(
        found="; ".join(problems),
        expected="settings as `coread settings` lists them",
        remedy="correct every fault named, then start again",
        where=path.name if path else "environment",
    )
