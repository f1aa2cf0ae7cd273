"""Writes a reading, and what a doctor signed, as the objects by which other systems receive it."""

from coread.results.edition import Kind, ResultObject
from coread.results.printed import pdf
from coread.results.signed.document import printed_in
from coread.results.signed.facts import ReportFacts, Signer
from coread.results.signed.write import report_facts, write_signed
from coread.results.write import write

__all__ = [
    "Kind",
    "ReportFacts",
    "ResultObject",
    "Signer",
    "pdf",
    "printed_in",
    "report_facts",
    "write",
    "write_signed",
]
