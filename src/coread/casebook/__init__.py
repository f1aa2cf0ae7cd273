"""The keeper of what people decide: impressions, decisions, drafts, signatures, and whose turn it is."""

from coread.casebook.case import Case, CaseState, Entry, EntryKind, Holder
from coread.casebook.casebook import Casebook, VerdictCount
from coread.casebook.codec import from_json, plain, to_json
from coread.casebook.journal import Act, Recorded, VerdictFacts
from coread.casebook.marks import KeptView, Phrase
from coread.casebook.prompts import AskedPrompt, PromptState
from coread.casebook.questions import AskedQuestion
from coread.casebook.queue import Listed, Placement, Tally, Wanted
from coread.casebook.record import Record, SavedDraft, Standing, record_of
from coread.casebook.tables import METADATA

__all__ = [
    "METADATA",
    "Act",
    "AskedPrompt",
    "AskedQuestion",
    "Case",
    "CaseState",
    "Casebook",
    "Entry",
    "EntryKind",
    "Holder",
    "KeptView",
    "Listed",
    "Phrase",
    "Placement",
    "PromptState",
    "Record",
    "Recorded",
    "SavedDraft",
    "Standing",
    "Tally",
    "VerdictCount",
    "VerdictFacts",
    "Wanted",
    "from_json",
    "plain",
    "record_of",
    "to_json",
]
