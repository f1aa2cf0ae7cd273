"""Studies, series and instances as the archive knows them: facts, no pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class InstanceRef:
    """The three UIDs and the class that name one SOP instance."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str


@dataclass(frozen=True, slots=True)
class Header:
    """What is read from an object's header when it arrives.

    `facts` maps DICOM keywords (``"Modality"``) to their value as text, several
    values joined by a backslash as in the file; absent elements are absent keys.
    """

    ref: InstanceRef
    transfer_syntax_uid: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))


@dataclass(frozen=True, slots=True)
class Instance:
    """One kept SOP instance: where its bytes are, and what they were when they came."""

    header: Header
    object_key: str
    """Key in the object store; holds no identifier of a person."""
    sha256: str
    """Hex digest over the whole kept file, PS3.10 meta header included."""
    size_bytes: int
    received_at: datetime
    source: str
    """Where it came from: ``dimse:<calling AE>``, ``stow``, ``folder``, ``reader:<name>``,
    or ``reader:signed-report`` for what a doctor signed."""

    @property
    def ref(self) -> InstanceRef:
        """The instance's identifiers."""
        return self.header.ref


@dataclass(frozen=True, slots=True)
class Study:
    """One study and its kept instances, ordered by series and instance number."""

    study_instance_uid: str
    instances: tuple[Instance, ...]

    @property
    def modalities(self) -> tuple[str, ...]:
        """Distinct modalities, sorted."""
        return tuple(sorted({i.header.facts.get("Modality", "") for i in self.instances} - {""}))

    @property
    def series_instance_uids(self) -> tuple[str, ...]:
        """Distinct series, in the order of `instances`."""
        return tuple(dict.fromkeys(i.ref.series_instance_uid for i in self.instances))
