"""What the results say to people, in English for coded objects' texts, with Chinese beside it."""

from __future__ import annotations

from coread.domain import codes
from coread.domain.codes import Code
from coread.domain.finding import Confidence, Finding, Presence
from coread.domain.reading import Outcome, Reading

PRESENCE_CODES: dict[Presence, Code] = {
    Presence.PRESENT: codes.PRESENT,
    Presence.ABSENT: codes.ABSENT,
    Presence.INDETERMINATE: codes.INDETERMINATE,
}

NOT_VERIFIED = "not verified"
NOT_VERIFIED_ZH = "未经医师审核"

_OUTCOMES = {
    Outcome.FINDINGS: ("Read", "已判读"),
    Outcome.ABSTAINED: ("Abstained", "放弃判读"),
    Outcome.REFUSED: ("Refused to read", "拒绝判读"),
    Outcome.FAILED: ("Failed to read", "判读失败"),
}


def headline(reading: Reading) -> str:
    """Name the product, the reader and its version: ``CoRead chest-radiograph 1.0.0``."""
    return f"CoRead {reading.reader}"


def probability(confidence: Confidence) -> str:
    """Write a probability with its interval.

    Examples
    --------
    >>> probability(Confidence(0.8312, 0.7, 0.9))
    'p=0.83 (95 % interval 0.70-0.90)'
    """
    interval = f"{confidence.level:.0%} interval {confidence.lower:.2f}-{confidence.upper:.2f}"
    return f"p={confidence.probability:.2f} ({interval.replace('%', ' %')})"


def statement(finding: Finding) -> str:
    """Say one finding in one English line."""
    return f"{finding.code.meaning} {finding.presence.value}, {probability(finding.confidence)}"


def statement_zh(finding: Finding) -> str:
    """Say one finding in one Chinese line."""
    name = finding.code.meaning_zh or finding.code.meaning
    presence = PRESENCE_CODES[finding.presence].meaning_zh
    c = finding.confidence
    return f"{name}：{presence}，概率 {c.probability:.2f}（{c.level:.0%} 区间 {c.lower:.2f}–{c.upper:.2f}）"


def similar_in_words(finding: Finding) -> str:
    """Name the training cases that look like a finding, in one English line."""
    cases = (
        f"{case.identifier}{f' ({case.note})' if case.note else ''}, similarity {case.similarity:.2f}"
        for case in finding.similar
    )
    return f"Looks like these training cases: {'; '.join(cases)}."


def annotation(reading: Reading, finding: Finding) -> str:
    """Return the line that stands in the image: reader, finding, probability, not verified."""
    return f"{headline(reading)}: {statement(finding)}; {NOT_VERIFIED}"


def conclusion(reading: Reading) -> str:
    """Say the whole reading in English."""
    if reading.reason is not None:
        body = f"{_OUTCOMES[reading.outcome][0]}: {_full_stop(reading.reason.text)}"
    else:
        body = " ".join(f"{statement(finding)}." for finding in reading.findings) or "No finding reported."
    return f"{headline(reading)}: {body} AI result, {NOT_VERIFIED}."


def conclusion_zh(reading: Reading) -> str:
    """Say the whole reading in Chinese."""
    if reading.reason is not None:
        reason = reading.reason.text_zh or reading.reason.text
        body = f"{_OUTCOMES[reading.outcome][1]}：{reason.rstrip('。')}。"
    else:
        body = "".join(f"{statement_zh(finding)}。" for finding in reading.findings) or "未报告发现。"
    return f"{headline(reading)}：{body}人工智能结果，{NOT_VERIFIED_ZH}。"


def clip(text: str, characters: int) -> str:
    r"""Cut `text` to what a value representation holds, without backslashes and control characters.

    Examples
    --------
    >>> clip("a\\b\n" + "c" * 9, 6)
    'a/b cc'
    """
    plain = "".join(c if c.isprintable() else " " for c in text.replace("\\", "/"))
    return plain[:characters].strip()


def readable(text: str) -> str:
    r"""Return `text` without control characters; its line breaks stay.

    What is no character at all (half of a surrogate pair) becomes a question mark: it could be written
    in no encoding.

    Examples
    --------
    >>> readable("a\x1b[0m\r\nb\ud800")
    'a[0m\nb?'
    """
    kept = "".join(c for c in text if c in "\n\t" or (ord(c) >= 32 and ord(c) != 127))
    return kept.encode("utf-8", "replace").decode()


def _full_stop(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
