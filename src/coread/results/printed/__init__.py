"""The signed report on paper."""

from coread.results.printed.report import pdf

__all__ = ["pdf"]
