"""The data card, which makes itself: what a cohort holds, lacks, and may mislead with."""

from coread.learning.cohorts.describing.card import data_card, write_card
from coread.learning.cohorts.describing.markdown import card_markdown

__all__ = ["card_markdown", "data_card", "write_card"]
