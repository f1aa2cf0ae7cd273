"""What stands beside a finding: how sure in words, how the reader does on such people, what others say."""

from coread.review.evidence.panel import RULE, opinions
from coread.review.evidence.performance import Who, age_band, of_finding, performance, who
from coread.review.evidence.words import in_words

__all__ = ["RULE", "Who", "age_band", "in_words", "of_finding", "opinions", "performance", "who"]
