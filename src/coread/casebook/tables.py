"""The casebook's tables.

``case_entries`` is the record itself: one row for each step of a study's revision, never changed (the
database refuses it). ``cases`` is the head of each study, and with ``case_verdicts`` it can be made again
from the entries. Times are microseconds since 1970 in UTC (``*_us``).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.types import TypeEngine

METADATA = MetaData()


def _uid() -> TypeEngine[str]:
    return String(64).with_variant(String(64, collation="C"), "postgresql")


def _words() -> TypeEngine[str]:
    return Text().with_variant(Text(collation="C"), "postgresql")


CASES = Table(
    "cases",
    METADATA,
    Column("study_instance_uid", _uid(), primary_key=True),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("state", String(16), nullable=False, server_default="new"),
    Column("is_pending", Boolean, nullable=False),
    Column("is_changed", Boolean, nullable=False),
    Column("is_gone", Boolean, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    # Where it stands in the list; written by whoever takes in what the archive has.
    Column("points", Integer, nullable=False, server_default="0"),
    Column("arrived_us", BigInteger, nullable=False, server_default="0"),
    Column("complete_us", BigInteger),
    Column("study_version", Integer, nullable=False, server_default="0"),
    Column("reading_uids", Text, nullable=False, server_default=""),
    Column("modalities", _words(), nullable=False, server_default=""),
    Column("listing", Text, nullable=False, server_default="{}"),
    # Who works on it.
    Column("lock_person_id", String(64)),
    Column("locked_us", BigInteger),
    Column("lock_until_us", BigInteger),
)
Index(
    "ix_cases_pending",
    CASES.c.is_pending,
    CASES.c.points.desc(),
    CASES.c.arrived_us,
    CASES.c.study_instance_uid,
)
Index("ix_cases_state", CASES.c.is_gone, CASES.c.state, CASES.c.changed_us.desc())
Index(
    "ix_cases_locked",
    CASES.c.lock_person_id,
    postgresql_where=CASES.c.lock_person_id.is_not(None),
    sqlite_where=CASES.c.lock_person_id.is_not(None),
)

ENTRIES = Table(
    "case_entries",
    METADATA,
    Column("study_instance_uid", _uid(), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(24), nullable=False),
    Column("person_id", String(64), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("study_version", Integer, nullable=False),
    Column("finding_uid", _uid(), nullable=False, server_default=""),
    Column("payload", Text, nullable=False, server_default=""),
)

#: What a key of a write did, so that the same write again does nothing and answers the same.
KEYS = Table(
    "case_keys",
    METADATA,
    Column("key", String(128), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("outcome", Text, nullable=False, server_default=""),
    Column("at_us", BigInteger, nullable=False),
)

REPORTS = Table(
    "case_reports",
    METADATA,
    Column("uid", _uid(), primary_key=True),
    Column("study_instance_uid", _uid(), nullable=False),
    Column("number", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Index("ux_case_reports_number", "study_instance_uid", "number", unique=True),
)

#: Signed reports whose results have not gone out yet; a row goes when they have.
UNPUBLISHED = Table(
    "case_unpublished",
    METADATA,
    Column("uid", _uid(), primary_key=True),
    Column("signed_us", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Index("ix_case_unpublished_signed", "signed_us", "number", "uid"),
)

#: The standing verdict on each finding of a reader, for statistics.
VERDICTS = Table(
    "case_verdicts",
    METADATA,
    Column("study_instance_uid", _uid(), primary_key=True),
    Column("finding_uid", _uid(), primary_key=True),
    Column("reader", _words(), nullable=False),
    Column("reader_version", Text, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("person_id", String(64), nullable=False),
    Column("code", Text, nullable=False),
    Column("modality", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("age_band", String(16), nullable=False),
    Column("sex", String(16), nullable=False),
    Column("active_s", Float, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("ix_case_verdicts_reader", "reader", "at_us"),
)

#: Up to which revision a person has seen a study.
READS = Table(
    "case_reads",
    METADATA,
    Column("study_instance_uid", _uid(), primary_key=True),
    Column("person_id", String(64), primary_key=True),
    Column("revision", Integer, nullable=False),
)

TEACHING = Table(
    "case_teaching",
    METADATA,
    Column("study_instance_uid", _uid(), primary_key=True),
    Column("person_id", String(64), nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

QUESTIONS = Table(
    "case_questions",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("study_instance_uid", _uid(), nullable=False),
    Column("asker_id", String(64), nullable=False),
    Column("colleague_id", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Index("ix_case_questions_study", "study_instance_uid", "asked_us"),
    Index("ix_case_questions_colleague", "colleague_id", "asked_us"),
)

ANSWERS = Table(
    "case_answers",
    METADATA,
    Column("question_id", String(64), primary_key=True),
    Column("text", Text, nullable=False),
    Column("answered_us", BigInteger, nullable=False),
)

#: Where doctors asked a reader to look. What became of it is the only part that changes, once.
PROMPTS = Table(
    "case_prompts",
    METADATA,
    Column("uid", _uid(), primary_key=True),
    Column("study_instance_uid", _uid(), nullable=False),
    Column("study_version", Integer, nullable=False),
    Column("reader", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("person_id", String(64), nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reading_uid", _uid(), nullable=False, server_default=""),
    Index("ix_case_prompts_study", "study_instance_uid", "asked_us"),
    Index("ix_case_prompts_state", "state", "asked_us"),
)

VIEWS = Table(
    "saved_views",
    METADATA,
    Column("person_id", String(64), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("filter", Text, nullable=False),
    Column("saved_us", BigInteger, nullable=False),
)

PHRASES = Table(
    "phrases",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("person_id", String(64), nullable=False),
    Column("language", String(8), nullable=False),
    Column("section", String(32), nullable=False),
    Column("text", Text, nullable=False),
    Column("added_us", BigInteger, nullable=False),
    Index("ix_phrases_person", "person_id", "language", "added_us"),
)

#: Up to which event of the ledger the list has been brought.
PROGRESS = Table(
    "case_progress",
    METADATA,
    Column("name", String(32), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)

#: Rows of these tables are evidence; the migration makes the database refuse to change or delete them.
APPEND_ONLY = (ENTRIES, REPORTS, QUESTIONS, ANSWERS)
