"""Persons in free texts whom no header names: how many go, and how many clinical words go with them.

    python benchmarks/deidentify_persons.py [--part develop]

Invented names are planted in sentences of reports in English and Chinese. Sentences and names of the part
``develop`` served for writing the rules, those of a scored part after they had been scored once; each
language's last part is scored once. Presidio's analyser is asked about the same
English sentences, in an environment of its own named by COREAD_PRESIDIO_PYTHON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deidentify import interval
from provenance import ROOT, keep, provenance

from coread.governance.deidentify.texts import remove_patterns
from coread.governance.deidentify.texts.persons import chinese, only_allowed, remove_persons
from coread.governance.deidentify.texts.persons.finding import without
from coread.governance.deidentify.texts.persons.words import is_word

COUNT = 200
#: Sentences that are scored; every change of a language's rules after a look at them needs fresh ones.
SCORED = {"en": "score-2", "zh": "score-3"}
#: What earlier rules reached on sentences of their own.
FORMER = (
    {
        "part": "score-1",
        "en": 1.0,
        "zh": 0.895,
        "n": 200,
        "commit": "d352901",
        "missed": "names before titles, compound surnames",
    },
    {
        "part": "score-2",
        "zh": 0.985,
        "zh_allow_list": 1.0,
        "zh_allow_list_lost": 0.208,
        "n": 200,
        "commit": "dee3f76",
    },
)
SENTENCES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_LATIN = re.compile(r"[^\W\d_\u3400-\u9fff]{2,}")
_CJK = re.compile(r"[\u3400-\u9fff]")
#: Texts of the house that others wrote and that name nobody: what is lost there is lost for nothing.
HOUSE_TEXTS = ("src/coread/review/templates", "src/coread/readers")


@dataclass(frozen=True)
class Planted:
    """One sentence with one name."""

    text: str
    name: str
    rest: tuple[str, ...]
    """Words (Latin) or characters (Chinese) that are no part of the name."""
    way: str


def planted(language: str, part: str, count: int) -> Iterator[Planted]:
    """Give sentences; the persons and sentences of two parts have none in common."""
    draw = random.Random(f"persons {language} {part}")
    data = SENTENCES[language]
    half = 0 if part == "develop" else 1
    sentences = data[part]
    for number in range(count):
        sentence = sentences[number % len(sentences)]
        name = _named(draw, language, data, half)
        words = _LATIN.findall(sentence["text"].replace("{name}", " ")) if language == "en" else None
        rest = words if words is not None else _CJK.findall(sentence["text"].replace("{name}", ""))
        yield Planted(sentence["text"].replace("{name}", name), name, tuple(rest), sentence["way"])


def _named(draw: random.Random, language: str, data: dict[str, Any], half: int) -> str:
    family = draw.choice(data["family"].split()[half::2])
    given = draw.choice(data["given"].split()[half::2])
    if language == "zh":
        return family + given
    form = draw.choice(("{g} {f}", "{g} {f}", "{f}", "{i}. {f}", "{f}, {g}", "{G} {F}", "{g}"))
    return form.format(g=given, f=family, i=given[0], G=given.upper(), F=family.upper())


def names_only(text: str) -> str:
    """Treat a text as every profile does."""
    return _until_still(text, lambda t: remove_persons(remove_patterns(t, weak=True)))


def strictest(text: str) -> str:
    """Treat a text as the profiles do that let nothing but words of reports stay."""
    return _until_still(text, lambda t: only_allowed(remove_persons(remove_patterns(t, weak=True))))


def reports_alone(text: str) -> str:
    """Treat a text as the strictest profiles did before ordinary Chinese words could stay."""

    def step(text: str) -> str:
        freed = remove_persons(remove_patterns(text, weak=True))
        strangers = [m.span() for m in _LATIN.finditer(freed) if not is_word(m[0])]
        return without(freed, strangers + list(chinese.uncovered(freed)))

    return _until_still(text, step)


def as_before(text: str) -> str:
    """Treat a text by labels and titles alone, as the program did before."""
    return _until_still(text, lambda t: remove_patterns(t, weak=True))


def _until_still(text: str, step: Callable[[str], str]) -> str:
    while (after := step(text)) != text:
        text = after
    return text


def is_gone(after: str, name: str) -> bool:
    """Tell whether no part of two letters or more of a Latin name, no character of a Chinese one, is left in order."""
    if _CJK.search(name):
        return not any(name[i : i + 2] in after for i in range(len(name) - 1))
    left = {word.lower() for word in _LATIN.findall(after)}
    return not any(part.lower() in left for part in _LATIN.findall(name))


def lost(after: str, rest: tuple[str, ...]) -> int:
    """Return how many of the other words are gone."""
    left = _LATIN.findall(after) + _CJK.findall(after)
    missing = 0
    for word in rest:
        if word in left:
            left.remove(word)
        else:
            missing += 1
    return missing


def figures(sentences: list[Planted], afters: list[str]) -> dict[str, Any]:
    """Return recall, by the way in which the person is written of too, and the share of other words lost."""
    gone = [is_gone(after, one.name) for one, after in zip(sentences, afters, strict=True)]
    missing = sum(lost(after, one.rest) for one, after in zip(sentences, afters, strict=True))
    total = sum(len(one.rest) for one in sentences)
    ways = sorted({one.way for one in sentences})
    return {
        "recall": interval(sum(gone), len(gone)),
        "recall_by_way": {
            way: interval(
                sum(g for g, one in zip(gone, sentences, strict=True) if one.way == way),
                sum(one.way == way for one in sentences),
            )
            for way in ways
        },
        "other_words_lost": interval(missing, total),
        "missed": [
            f"{one.way}: {one.text} -> {after}"
            for one, after, ok in zip(sentences, afters, gone, strict=True)
            if not ok
        ][:20],
    }


def house_texts(language: str) -> list[str]:
    """Return sentences of the house's report templates and readers' cards in one language."""
    found = []
    for place in HOUSE_TEXTS:
        for path in sorted((ROOT / place).rglob("*")):
            if path.suffix == ".toml":
                found += _strings(tomllib.loads(path.read_text(encoding="utf-8")))
            elif path.name == "card.json":
                found += _strings(json.loads(path.read_text(encoding="utf-8")))
    texts = [t for t in found if (len(t) >= 12 and " " in t) or _CJK.search(t)]
    return [t for t in texts if bool(_CJK.search(t)) == (language == "zh")]


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in values for text in _strings(one)]


def kept(texts: list[str], way: Callable[[str], str]) -> dict[str, Any]:
    """Return the share of words lost in texts that name nobody."""
    rests = [tuple(_LATIN.findall(t) + _CJK.findall(t)) for t in texts]
    missing = sum(lost(way(text), rest) for text, rest in zip(texts, rests, strict=True))
    return interval(missing, sum(map(len, rests)))


_PRESIDIO = """
import json, os, sys
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider
model = os.environ.get("COREAD_SPACY_MODEL", "en_core_web_lg")
models = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": model}]}
analyzer = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=models).create_engine())
out = []
for text in json.load(sys.stdin):
    spans = sorted((r.start, r.end) for r in analyzer.analyze(text, language="en", entities=["PERSON"]))
    kept, at = [], 0
    for start, end in spans:
        kept.append(text[at:max(start, at)])
        at = max(at, end)
    out.append("".join(kept) + text[at:])
print("FIGURES" + json.dumps(out))
"""


def presidio(sentences: list[Planted]) -> dict[str, Any]:
    """Let presidio-analyzer remove persons from the same sentences."""
    python = os.environ.get("COREAD_PRESIDIO_PYTHON", "")
    if not python or not Path(python).exists():
        return {"left_out": "COREAD_PRESIDIO_PYTHON names no Python with presidio-analyzer"}
    asked = json.dumps([one.text for one in sentences])
    told = subprocess.run([python, "-c", _PRESIDIO], input=asked, capture_output=True, text=True, check=False)
    if "FIGURES" not in told.stdout:
        return {"left_out": told.stderr.strip().splitlines()[-1:] or "failed"}
    model = os.environ.get("COREAD_SPACY_MODEL", "en_core_web_lg")
    return {"model": model, **figures(sentences, json.loads(told.stdout.rsplit("FIGURES", 1)[1]))}


WAYS = {
    "as_before": as_before,
    "names": names_only,
    "reports_alone": reports_alone,
    "allow_list": strictest,
}


def measure(parts: dict[str, str]) -> dict[str, Any]:
    """Return the figures of both languages."""
    result: dict[str, Any] = {"parts": parts}
    for language, part in parts.items():
        sentences = list(planted(language, part, COUNT))
        result[language] = {
            "sentences": len({one.text for one in sentences}),
            **{name: figures(sentences, [way(one.text) for one in sentences]) for name, way in WAYS.items()},
            "lost_where_nobody_is_named": {
                name: kept(house_texts(language), way) for name, way in WAYS.items()
            },
        }
        if language == "en":
            result[language]["presidio_analyzer"] = presidio(sentences)
    return result


def main() -> None:
    """Measure and print; keep what is not of the development part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", help="of both languages; those that are scored if left out")
    part = parser.parse_args().part
    result = measure(dict.fromkeys(SCORED, part) if part else SCORED)
    print(json.dumps(result, indent=1, ensure_ascii=False))
    if not part:
        evidence = (
            "invented names in sentences written for this test; development and scoring share no sentence"
        )
        keep("deidentify_persons", {"benchmark": "deidentify_persons", **provenance("pydicom"), **result,
                                    "former_scores": FORMER, "evidence": evidence})  # fmt: skip


if __name__ == "__main__":
    main()
