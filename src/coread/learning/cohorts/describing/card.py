"""The data card as a value: counts, gaps, prevalence, agreement, shortcuts, duplicates, what was left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

from coread.evaluation import wilson_interval
from coread.learning.cohorts.describing.association import cohen_kappa, cramers_v
from coread.learning.cohorts.describing.markdown import card_markdown
from coread.learning.cohorts.form import SPLITS, Cohort, CohortImage, Label
from coread.learning.runs.files import write_json

CARD = "data_card.json"
CARD_TEXT = "data_card.md"

AGE_BANDS = ((18, "under 18"), (40, "18-39"), (65, "40-64"), (float("inf"), "65 and over"))
"""Upper end (not included) and name of each band, as in the readers' evaluations."""

MIN_EXPECTED = 30
"""Fewest training images for which an association is looked at."""

NOTABLE_V = 0.1
"""Cramer's V from which an attribute is named as a possible shortcut: a small effect, w = 0.1, by J. Cohen,
Statistical Power Analysis for the Behavioral Sciences, 2nd ed. 1988, section 7.2."""

_ATTRIBUTES: Mapping[str, Callable[[CohortImage], str]] = {
    "site": lambda image: image.site,
    "device": lambda image: image.device,
    "view": lambda image: image.view,
    "sex": lambda image: image.sex,
    "age": lambda image: age_band(image.age_years),
    "size": lambda image: f"{image.rows} x {image.columns}",
}


def age_band(age: float | None) -> str:
    """Band of an age in years; empty where unknown."""
    return "" if age is None else next(name for end, name in AGE_BANDS if age < end)


def data_card(cohort: Cohort) -> dict[str, Any]:
    """Describe a cohort.

    Returns
    -------
    dict
        JSON types; every count of patients counts pseudonyms.
    """
    return {
        "name": cohort.name,
        "images": len(cohort.images),
        "patients": len({image.patient for image in cohort.images}),
        "annotators": len(cohort.annotators()),
        "splits": {split: _counts(cohort.of_split(split)) for split in SPLITS},
        "by": {name: _by(cohort.images, of) for name, of in _ATTRIBUTES.items()},
        "missing": _missing(cohort.images),
        "grey_units": dict(Counter(image.grey_unit for image in cohort.images)),
        "labels": {concept.name: _label_counts(cohort, concept.name) for concept in cohort.book},
        "agreement": _agreement(cohort),
        "possible_shortcuts": possible_shortcuts(cohort),
        "licences": dict(Counter(image.licence for image in cohort.images)),
        "left_out": dict(Counter(left.code for left in cohort.left_out)),
        "near_duplicates": _duplicates(cohort.facts.get("near_duplicates", [])),
        "remarks": cohort.facts.get("remarks", []),
        "traps": cohort.facts.get("traps", []),
        "steps": cohort.facts.get("plan", {}).get("steps", []),
    }


def write_card(cohort: Cohort) -> dict[str, Any]:
    """Write the data card beside the manifest, as JSON and as text, and give it."""
    card = data_card(cohort)
    write_json(cohort.folder / CARD, card)
    (cohort.folder / CARD_TEXT).write_text(card_markdown(card), encoding="utf-8")
    return card


def _counts(images: Sequence[CohortImage]) -> dict[str, int]:
    return {
        "images": len(images),
        "patients": len({image.patient for image in images}),
        "sites": len({image.site for image in images}),
    }


def _by(images: Sequence[CohortImage], of: Callable[[CohortImage], str]) -> dict[str, dict[str, int]]:
    """Images of each value of an attribute, by split; the twenty most frequent values."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for image in images:
        counts[of(image) or "unknown"][image.split] += 1
    most = sorted(counts, key=lambda value: (-counts[value].total(), value))[:20]
    return {value: {split: counts[value][split] for split in SPLITS} for value in most}


def _missing(images: Sequence[CohortImage]) -> dict[str, float]:
    """Share of images of which something is unknown."""
    gaps: Mapping[str, Callable[[CohortImage], bool]] = {
        **{name: _absent(of) for name, of in _ATTRIBUTES.items() if name != "size"},
        "spacing": lambda image: image.spacing_mm is None,
        "study": lambda image: not image.study,
    }
    count = max(len(images), 1)
    return {name: sum(map(is_gap, images)) / count for name, is_gap in gaps.items()}


def _absent(of: Callable[[CohortImage], str]) -> Callable[[CohortImage], bool]:
    return lambda image: not of(image)


def _label_counts(cohort: Cohort, name: str) -> dict[str, Any]:
    """Labels of one word by annotator kind and split, with the prevalence of presence."""
    split_of = {image.image: image.split for image in cohort.images}
    labels = [label for label in cohort.labels if label.name == name]
    whole = [label for label in labels if label.kind == "class"]
    prevalence = {}
    for split in SPLITS:
        values = [label.value for label in whole if split_of.get(label.image) == split]
        if values:
            prevalence[split] = {"n": len(values), **_share(sum(map(bool, values)), len(values))}
    return {
        "kinds": dict(Counter(label.kind for label in labels)),
        "annotators": len({label.annotator for label in labels}),
        "prevalence": prevalence,
        "numbers": _range([label.value for label in labels if label.kind == "number"]),
    }


def _share(hits: int, count: int) -> dict[str, float]:
    interval = wilson_interval(hits, count)
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper}


def _range(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    ordered = sorted(values)
    return {"n": len(values), "least": ordered[0], "median": ordered[len(values) // 2], "most": ordered[-1]}


def _agreement(cohort: Cohort) -> dict[str, dict[str, Any]]:
    """Cohen's kappa of each pair of annotators (of at most 20) who both judge at least 30 images."""
    held: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for label in cohort.labels:
        if label.kind == "class":
            held[label.name][label.annotator][label.image] = label.value
    found: dict[str, dict[str, Any]] = {}
    for name, by_annotator in held.items():
        if len(by_annotator) > 20:
            continue
        for one, other in combinations(sorted(by_annotator), 2):
            both = sorted(by_annotator[one].keys() & by_annotator[other].keys())
            if len(both) >= MIN_EXPECTED:
                values = [[by_annotator[who][image] for image in both] for who in (one, other)]
                found[f"{name}: {one} / {other}"] = {"n": len(both), "kappa": cohen_kappa(*values)}
    return found


def possible_shortcuts(cohort: Cohort) -> list[dict[str, Any]]:
    """Attributes that say something about a yes-or-no label among training images, strongest first.

    A model can learn such an attribute instead of the disease: report by it, or draw training images evenly
    over it. *Does not* say that the association is wrong: age and disease do go together.
    """
    training = {image.image: image for image in cohort.of_split("train")}
    labels: dict[str, list[Label]] = defaultdict(list)
    for label in cohort.labels:
        if label.kind == "class" and label.image in training:
            labels[label.name].append(label)
    found = []
    for name, said in labels.items():
        for attribute, of in _ATTRIBUTES.items():
            pairs = [(of(training[label.image]), label.value) for label in said if of(training[label.image])]
            if len(pairs) >= MIN_EXPECTED:
                strength = cramers_v([p[0] for p in pairs], [p[1] for p in pairs])
                if strength >= NOTABLE_V:
                    found.append(
                        {"label": name, "attribute": attribute, "cramers_v": strength, "n": len(pairs)}
                    )
    return sorted(found, key=lambda entry: -entry["cramers_v"])


def _duplicates(pairs: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    same = sum(bool(pair["same_patient"]) for pair in pairs)
    return {"pairs": len(pairs), "of_one_patient": same, "of_two_patients": len(pairs) - same}
