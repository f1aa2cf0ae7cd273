"""The doctor's rules without a page: which study first, what is shown when, what may be signed."""

from coread.casebook import CaseState, Phrase
from coread.review.desk import ReviewDesk
from coread.review.drafting import LANGUAGES, Template
from coread.review.follow_up import (
    RULES,
    Advice,
    Composition,
    Context,
    Course,
    Nodule,
    sentences,
)
from coread.review.policy import ModeRule, Policy
from coread.review.statistics import VerdictStatistic
from coread.review.study_review import (
    Change,
    ConfidenceWords,
    Delivered,
    DraftFault,
    FindingPanel,
    Hurdle,
    Lock,
    Measured,
    Opinion,
    Performance,
    PerformanceRow,
    Prior,
    Question,
    ReadingView,
    StudyReview,
    Vote,
)
from coread.review.worklist.entry import (
    Answer,
    Counts,
    Entry,
    Filter,
    SavedView,
    UrgencyReason,
    Worklist,
)

__all__ = [
    "LANGUAGES",
    "RULES",
    "Advice",
    "Answer",
    "CaseState",
    "Change",
    "Composition",
    "ConfidenceWords",
    "Context",
    "Counts",
    "Course",
    "Delivered",
    "DraftFault",
    "Entry",
    "Filter",
    "FindingPanel",
    "Hurdle",
    "Lock",
    "Measured",
    "ModeRule",
    "Nodule",
    "Opinion",
    "Performance",
    "PerformanceRow",
    "Phrase",
    "Policy",
    "Prior",
    "Question",
    "ReadingView",
    "ReviewDesk",
    "SavedView",
    "StudyReview",
    "Template",
    "UrgencyReason",
    "VerdictStatistic",
    "Vote",
    "Worklist",
    "sentences",
]
