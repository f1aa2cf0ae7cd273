"""Write docs/transfer.md from the results, so that the page says nothing that was not measured.

python benchmarks/transfer_page.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from provenance import RESULTS, ROOT

PAGE = ROOT / "docs" / "transfer.md"
LARGER, FIRST = RESULTS / "transfer_larger.json", RESULTS / "transfer.json"

ARMS = ("untaught", "scratch", "frozen", "partial", "full", "tuned", "intermediate", "related")
OPPONENTS = ("untaught", "scratch")

EQUAL = "on equal terms"
"""What the rows of the third and the fourth round say of themselves."""

Figure = Mapping[str, Any]

HEAD = """# What a pretrained trunk gains

Grade of evidence: **retrospective**. Written from `benchmarks/results/transfer_larger.json` and `transfer.json` by
`benchmarks/transfer_page.py`; made by `python benchmarks/lab.py transfer_larger transfer`. {told}. 95 % intervals by
bootstrap over test patients; a gain is from the same draws. The study was made in four rounds: at 96 x 96 pixels, where
the promise of +0.05 at a tenth of the labels was not kept, at larger images, at larger images on equal terms, and, on
the same terms, with a related question learnt before the tenth. All rounds ask the same test patients; every one stands
here, whatever it says, and whoever asks four times has four chances: read the intervals."""

HOW_EQUAL = """## Equal terms: the same network, the same steps, no label but the tenth

Fixed before any figure of this round was seen, and before any of the tuned trunk on adults' radiographs or on nodules;
the gains of the second round on neutrophils (+0.080) and on children's radiographs (+0.036) were known. One pair for every
set: *tuned*, EfficientNet-Lite0 from ImageNet's weights, against *untaught*, the same network from random ones, which is
what from scratch means where transfer is measured (Kornblith et al., CVPR 2019, arXiv:1805.08974; Raghu et al., NeurIPS
2019, arXiv:1902.07208). Both make the steps that the untaught one made in the second round (the tuned one made half of
them there: a short training flatters ImageNet's weights, He et al., ICCV 2019, arXiv:1811.08883), with the same images,
batches and kinds of disturbance. No validation image is used, neither to stop nor to choose: the weights are the running
average after the last step. Whoever stops by all validation images has more than twice as many labels as the tenth that
is learnt from (Oliver et al., NeurIPS 2018, arXiv:1804.09170). The step size of the untaught trunk is the one that
validation images of the first round liked best, that of the tuned one was tried nowhere. Questions, sizes, draws of the
tenth and seeds are those of the second round, and all four sets stay in the table. The small network (*scratch*) is read
after its last step too; its settings were chosen on validation images.

The fourth round, *intermediate*, was fixed before any figure of it was seen, on validation or on test images; those of the
three rounds before were known. It differs from *tuned* in its weights at the start alone: ImageNet's trunk was first tuned
on the related question that the arm *related* has had since the second round (below, with each set), on all its training
images, once, in four passes of which nothing was tried (an intermediate task with more labels: Phang et al. 2018,
arXiv:1811.01088). A related question costs labels too, if cheaper ones: the gain is that of a clinic whose trunk has seen
its kind of image, not ImageNet's alone. That stands beside it as *tuned*. The tables at 1 and 100 % of the labels were
made last."""

HOW_LARGER = """## Larger images

The questions were named before any figure at these sizes was seen on test patients. Two sets are asked something else
than in the first round, where a small network from scratch left no room (0.97 and 0.99).

{questions}

Arms that know nothing but the labels at hand: *scratch*, a plain network of five or six convolutions, its width, depth
and step size the best of four on validation images, 240 steps of 32 images or more; *untaught*, EfficientNet-Lite0 from
random weights, 200 steps of 16 or more at the step size that validation images liked best on the three sets of the
first round where it was tried; settings tried: scratch four, tuned two, untaught one. Arms from
ImageNet's weights: *frozen*, logistic regression on responses of the trunk as it came, at the depth that validation
images like best; *partial*, its blocks after the eleventh tuned; *tuned*, all of it in 100 steps of 16 or more, its
batch statistics learnt or kept, whichever validation images like better. *Related*: the small network of *scratch*,
step by step as there, but first taught a related question whose labels are easier to come by, on training patients
alone; its step size is that of *scratch* or a quarter of it. Every arm keeps its best moment on validation images; all
see the same disturbances.

Each side names its arm by the mean validation area of the seeds, and the two meet on test patients: that is the first
line below. The others hold each kind of transfer by itself. *Tuned* is the arm that was named before the first round; its
lines were added after the figures of neutrophils and of children's radiographs were seen. Cells bear no patient: cells of
one donor may lie on both sides, which flatters all arms alike."""

HOW_FIRST = """## First round: 96 x 96 pixels

*Frozen*: logistic regression on EfficientNet-Lite0 as it came. *Partial*: its blocks after the eleventh tuned. *Full*:
all of it tuned in 80 steps of 16 images, its batch statistics kept. *Tuned*: all of it, batch statistics too, in 160
steps of 32 or more. *Untaught*: the same network from random weights, with the same updates, images and disturbances as
*tuned*; its step size is the better of two on validation images, where that of *tuned* was tried nowhere. *Scratch*: a
plain network of five convolutions, its width and step size chosen on validation images. All arms may use the whole
validation split, which flatters those that need it for early stopping: the two that learn from nothing most of all."""


def main() -> None:
    """Write the page of the rounds that are there."""
    larger, first = (_json(path) for path in (LARGER, FIRST))
    parts = [HEAD.format(told=(larger or first)["told"])]
    parts += equal_round(larger) if larger and larger.get("equal_terms") else []
    parts += larger_round(larger) if larger else []
    parts += first_round(first) if first else []
    PAGE.write_text("\n\n".join(parts).rstrip() + "\n", encoding="utf-8")


def equal_round(study: Figure) -> list[str]:
    """Parts of the page about larger images on equal terms."""
    tables = [
        _share_table(f"{name}, {study['questions'][name]}, equal terms", share, shares[share])
        for name, shares in study["equal_terms"].items()
        for share in _in_order(shares)
    ]
    return [HOW_EQUAL, _verdicts(row for row in study["rows"] if EQUAL in row["what"]), *tables]


def larger_round(study: Figure) -> list[str]:
    """Parts of the page about larger images."""
    questions = [
        f"- *{name}*: {asked}. Related question: {study['lessons'][name]}."
        for name, asked in study["questions"].items()
    ]
    verdicts = _verdicts(row for row in study["rows"] if EQUAL not in row["what"])
    parts = [HOW_LARGER.format(questions="\n".join(questions)), verdicts]
    for name, held in study["tasks"].items():
        for share in _in_order(held["shares"]):
            parts.append(_share_table(f"{name}, {study['questions'][name]}", share, held["shares"][share]))
        parts.append(_tried(held["tried"]))
    return [*parts, _list("What did not work at larger images", study["did_not_work"])]


def first_round(study: Figure) -> list[str]:
    """Parts of the page about the first round."""
    tables = [
        _share_table(name, share, shares[share])
        for name, shares in study["tasks"].items()
        for share in _in_order(shares)
    ]
    return [HOW_FIRST, *tables, _list("What did not work in the first round", study["did_not_work"])]


def _verdicts(rows: Iterable[Figure]) -> str:
    """A line for each sense of the promise; a table would hide the verdict behind a sentence that never wraps."""
    held = [(row, "kept" if row["met"] else "**not kept**") for row in rows if row["goal"]]
    return "\n".join(
        f"- {verdict}, {row['figure']['value']} ({row['goal']} wanted): {row['what']}. {row['note']}."
        for row, verdict in held
    )


def _in_order(shares: Iterable[str]) -> list[str]:
    return sorted(shares, key=lambda text: float(text.rstrip("%")))


def _share_table(task: str, share: str, held: Figure) -> str:
    images = sorted({int(n) for n in held["training_images"]})
    seen = held.get("validation")
    lines = [f"### {task}: {share} of the labels ({', '.join(map(str, images))} images)", ""]
    lines += ["| arm | AUC | gain over untaught | gain over scratch | seeds |" + " validation |" * bool(seen)]
    lines += ["|---|---|---|---|---|" + "---|" * bool(seen)]
    for arm in ARMS:
        if arm in held:
            gains = [held[arm].get(f"gain_over_{opponent}") for opponent in OPPONENTS]
            told = " | ".join(_signed(gain) if gain else "–" for gain in gains)
            seeds = ", ".join(f"{value:.3f}" for value in held[arm]["seeds"])
            line = f"| {arm} | {_figure(held[arm])} | {told} | {seeds} |"
            lines.append(line + (f" {seen[arm]:.3f} |" if seen else ""))
    return "\n".join(lines)


def _tried(tried: Mapping[str, Iterable[Figure]]) -> str:
    """What was tried on validation images, with its area there."""
    lines = []
    for arm, settings in tried.items():
        each = [
            ", ".join(
                f"{name.replace('_', ' ')} {value:g}" for name, value in one.items() if name != "val_auc"
            )
            + f": {one['val_auc']:.3f}"
            for one in settings
        ]
        lines.append(f"Tried on validation images (seed 0), *{arm}*: {'; '.join(each)}.")
    return "\n".join(lines)


def _figure(figure: Figure) -> str:
    return f"{figure['value']:.3f} ({figure['lower']:.3f}–{figure['upper']:.3f})"


def _signed(figure: Figure) -> str:
    seeds = f"; {figure['seeds']} seed{'s' * (figure['seeds'] > 1)}" if figure.get("seeds", 3) < 3 else ""
    return f"{figure['value']:+.3f} ({figure['lower']:+.3f} to {figure['upper']:+.3f}{seeds})"


def _list(title: str, lines: Iterable[str]) -> str:
    held = [f"- {line}" for line in lines]
    return "\n\n".join([f"## {title}", "\n".join(held)]) if held else ""


def _json(path: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


if __name__ == "__main__":
    main()
