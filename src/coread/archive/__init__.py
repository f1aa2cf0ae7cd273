"""The keeper of images: bytes on disk, an index that finds them, the results made of them."""

from coread.archive.archive import Archive
from coread.archive.database import Database, closer
from coread.archive.filing import Arrival, Filed, FilingOutcome, data_sha256
from coread.archive.objects import DiskStore, Draft, ObjectStore
from coread.archive.outbox import Deliveries, Delivery, DeliveryState, Workers
from coread.archive.quarantine import Quarantine, Quarantined
from coread.archive.query import SEARCHABLE, Query
from coread.archive.readings import Readings, reading_from_json, reading_to_json
from coread.archive.resources import SEARCH_PARAMETERS, Resources
from coread.archive.sealed import Keyring, SealedAfterwards, SealedStore
from coread.archive.studies import Studies, StudyState
from coread.archive.upkeep import Fault, Reconciled

__all__ = [
    "SEARCHABLE",
    "SEARCH_PARAMETERS",
    "Archive",
    "Arrival",
    "Database",
    "Deliveries",
    "Delivery",
    "DeliveryState",
    "DiskStore",
    "Draft",
    "Fault",
    "Filed",
    "FilingOutcome",
    "Keyring",
    "ObjectStore",
    "Quarantine",
    "Quarantined",
    "Query",
    "Readings",
    "Reconciled",
    "Resources",
    "SealedAfterwards",
    "SealedStore",
    "Studies",
    "StudyState",
    "Workers",
    "closer",
    "data_sha256",
    "reading_from_json",
    "reading_to_json",
]
