"""Write docs/federation_results.md from the kept results of the federated studies.

``python benchmarks/federation_page.py`` after ``benchmarks/lab.py federation_vendors federation_sources
federation_privacy federation_contribution``.
"""

from __future__ import annotations

import json
from typing import Any

from chest_page import interval, table
from provenance import RESULTS, ROOT

Held = dict[str, Any]

PAGE = ROOT / "docs" / "federation_results.md"

HEAD = """# Federation: what was measured

Everything on this page was simulated in one process on public collections: the sites are the scanner vendors of LIDC-IDRI and
the sources of three radiograph collections, not hospitals that worked together. Grade of evidence: **retrospective, simulated
federation**. Rates, rounds, normalisation and our default were chosen on validation patients, seed 0. Test patients were scored once,
those of the outlining network a second time: an earlier, undertrained version had been scored on them; three seeds;
intervals are 95 %, by drawing patients; a difference is taken on the same draws. Every site makes the same number of local
updates in every arm: alone, federated, in a coalition; the pooled model makes as many updates, each on as many images as all
sites together are shown in one. Lone sites and the pooled model have their own best rate of two or three; the federated arms
share one rate, and the server's rate of FedAdam and FedYogi, the rate of SCAFFOLD's plain steps and FedProx's mu were set once
and not searched, so that these arms may be worth more than they show.

**Our default** (`site-balanced`): sites count as the square root of their images, features are standardised by each site's own
statistics (which never leave it), the share of positives of a site is taken out of its loss, and the parameters of the last third
of the rounds are averaged. The outlining network has batch normalisation, whose running statistics are averaged with all else, and
rounds of five local updates; each site keeps the moments of its optimiser.
"""

FLAMBY = """## Beside what was published

FLamby (NeurIPS 2022, arXiv:2210.04620) reports for Fed-LIDC, the same collection by the same four vendors, Dice 0.351 pooled,
0.000 FedAvg and 0.250 for its best federated strategy (FedAdam), one run. **The figures are not comparable one to one**: there a
3-D network searches the whole thorax for all nodules, here a 2-D network outlines one nodule in a window of 33 mm to which
a doctor has pointed, and splits differ. What can be compared is the distance between federated and pooled. What differs here:
the prompt, short rounds, a rate that falls over the rounds, a loss with a Dice term. Of these only the length of the rounds and the
normalisation were varied here (see the trials).
"""


def main() -> None:
    """Write the page from whatever results are there."""
    makers = {
        "federation_vendors": vendors,
        "federation_trials": trials,
        "federation_sources": sources,
        "federation_privacy": privacy,
        "federation_contribution": contribution,
        "federation_labels": labels,
    }
    lines = [HEAD]
    for name, make in makers.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            held = json.loads(path.read_text(encoding="utf-8"))
            lines += [*make(held), *origin(held)]
    PAGE.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def origin(held: Held) -> list[str]:
    """What did not work, and where the figures come from."""
    made = held.get("origin", held)
    if "data_sha256" not in made:
        return [f"`{made['command']}` at `{made['commit']}`.", ""]
    return [
        *[f"- Did not work: {sentence}" for sentence in held["did_not_work"]],
        "",
        f"`{made['command']}` at `{made['commit']}`, seeds {held['seeds']}, data SHA-256 `{made['data_sha256'][:16]}…`.",
        "",
    ]


def vendors(held: Held) -> list[str]:
    """LIDC by vendor."""
    lines = ["## Lung nodules by scanner vendor", ""]
    for name, unit in (("malignancy", "AUC"), ("outline", "Dice")):
        part = held[name]
        order = sorted(part["arms"], key=lambda arm: -part["arms"][arm]["value"])
        rows = [[arm, interval(part["arms"][arm]), _seeds(part["arms"][arm])] for arm in order]
        lines += [f"### {name.capitalize()}: {unit} on all test nodules ({part['arms']['default']['n']})", ""]
        lines += table(["arm", f"{unit} (95 %)", "by seed"], rows)
        apart = part["default_less_pooled"]
        lines += [
            f"Our default less pooled: {interval(apart)}; less each site alone: {interval(part['default_less_alone'])}.",
            "",
        ]
        lines += ["By site:", ""]
        sites = [
            [
                site,
                str(one["default"]["n"]),
                interval(one["alone"]),
                interval(one["default"]),
                interval(one["pooled"]),
                interval(one["gain"]),
                "**loses**" if one["loses"] else "",
            ]
            for site, one in part["sites"].items()
        ]
        lines += table(["site", "n", "alone", "our default", "pooled", "gain", ""], sites)
        lines += [
            "A vendor that nobody trained on: our default of the three others, against their own models.",
            "",
        ]
        turns = [
            [
                site,
                interval(one["default"]),
                interval(one["mean_single"]),
                f"{one['best_single'].get('site', '')} {interval(one['best_single'])}".strip(),
                interval(one["over_mean"]),
                interval(one["over_best"]),
            ]
            for site, one in part["unseen"].items()
        ]
        heads = [
            "unseen vendor",
            "our default",
            "mean single site",
            "best single site (with hindsight)",
            "relative gain over the mean",
            "over the best",
        ]
        lines += table(heads, turns)
    lines += [
        "Size alone (area of the readers' own outline) reaches AUC 0.961 (0.926 to 0.988) on these test nodules: see "
        "[the nodule reader](ct_nodule.md). No model here beats it; the study is of federation, not of a new reader.",
        "", FLAMBY,
    ]  # fmt: skip
    return lines


def trials(held: Held) -> list[str]:
    """What was tried for the outlining network."""
    order = sorted(held["trials"].items(), key=lambda one: -one[1]["dice"])
    rows = [
        [name, f"{one['dice']:.3f}", *(f"{dice:.3f}" for dice in one["sites"].values())]
        for name, one in order
    ]
    sites = list(order[0][1]["sites"])
    return [
        "## What the outlining federation lacked", "",
        "Trials on validation patients (319 nodules, one seed, no intervals), 480 local updates each unless named otherwise. An earlier "
        "version made 120 updates of 4 windows in rounds of 20, with group normalisation and a rate of 0.01, and ended 0.045 below "
        "pooled. What was missing: batch normalisation (averaged like all else), shorter rounds, a lower rate, and an optimiser that is not "
        "begun anew each round.", "",
        *table(["trial", "Dice, all", *sites], rows),
    ]  # fmt: skip


def labels(held: Held) -> list[str]:
    """Findings that only some sites have labelled."""
    rows = [
        [
            name,
            f"{one['measured_at']} ({one['positives']} of {one['masked']['n']})",
            *(interval(one[way]) for way in ("masked", "alone", "diluted", "absent", "masked_less_absent")),
        ]
        for name, one in held["findings"].items()
    ]
    heads = ["finding", "measured at (with it)", "masked", "the site alone", "diluted", "taken for absent",
             "masked less absent"]  # fmt: skip
    return [
        "## Findings that only some sites have labelled", "",
        "One head of several rows on the frozen trunk; AUC on the test patients of a site that has the label, three seeds. *Masked* is what "
        "the task does: a row is averaged over those who have the label. *Diluted*: a site without it gives the row back as it was, and all "
        "are averaged. *Taken for absent*: what nobody has said counts as not there.", "",
        *table(heads, rows),
        "A row that one site alone has labelled comes out as that site alone would train it: masking keeps it from being spoilt, and adds "
        "nothing. In area masking is surely better nowhere here, and surely worse on oedema: few cases have it, the row overfits, and "
        "the other sites' images, most of them truly without oedema, hold it back as a penalty would. Where labels are lost of "
        "patients who do have the finding (last row: seven in ten training labels taken away by chance), taking them for absent costs area, "
        "though not surely.", "",
    ]  # fmt: skip


def _seeds(arm: Held) -> str:
    return ", ".join(f"{value:.3f}" for value in arm.get("seeds", []))


def sources(held: Held) -> list[str]:
    """Chest by source."""
    order = sorted(held["arms"], key=lambda arm: -held["arms"][arm]["mean"]["value"])
    rows = [
        [
            arm,
            interval(held["arms"][arm]["mean"]),
            *(interval(one) for one in held["arms"][arm]["sites"].values()),
        ]
        for arm in order
    ]
    across, ratio = held["others"], held["others"]["relative_gain"]
    lines = [
        "## Chest radiographs by source", "",
        f"On the **other** sites' patients a single-site model reaches AUC {interval(across['single_mean'])}; the federation "
        f"{interval(across['default_mean'])}: {ratio['value']:+.0%} ({ratio['lower']:+.0%} to {ratio['upper']:+.0%}) relative. It "
        "has seen training patients of these sites, which is what a federation is for. "
        + _at_home(held["gains"]) + " The source of COVID-19 patients has no negative test patient, so that no area exists there.", "",
        *table(["arm", "mean AUC of both", *held["arms"]["default"]["sites"]], rows),
        "Our default less the site alone: "
        + "; ".join(f"{site} {interval(one)}{' (**loses**)' if one['loses'] else ''}" for site, one in held["gains"].items()) + ".", "",
        "A source that nobody trained on (the two others federate), against the single site that can stand alone:", "",
        *table(["unseen source", "our default", "single site", "relative gain"],
               [[s, interval(o["default"]), interval(o["single"]), interval(o["relative_gain"])] for s, o in held["unseen"].items()]),
        "**To a kind of patient that no site holds, adults to children and back, federation does not help.**", "",
        "Sensitivity on the one-sided source (13 patients): "
        + "; ".join(f"{arm} {interval(one)}" for arm, one in held["sensitivity"].items()) + ".", "",
    ]  # fmt: skip
    return lines


def _at_home(gains: Held) -> str:
    better = [site for site, one in gains.items() if one["lower"] > 0]
    return f"At home {', '.join(better) or 'no site'} gains: see the gains below."


def privacy(held: Held) -> list[str]:
    """Budgets, their cost, attacks."""
    rows = []
    for name, one in held["conditions"].items():
        told = "; ".join(
            f"{s}: {b['epsilon'] if b['epsilon'] is not None else 'infinite'}"
            for s, b in one["spent"].items()
        )
        rows.append(
            [
                name,
                interval(one["auc"]),
                interval(one["cost"]),
                told or "-",
                interval(one["membership"]["loss"]),
                interval(one["membership"]["lira"]),
            ]
        )
    heads = [
        "protection",
        "mean AUC",
        "cost",
        "epsilon spent by site",
        "membership AUC, loss",
        "membership AUC, LiRA",
    ]
    shown = [[name, interval(one), str(one["n"])] for name, one in held["inversion"].items()]
    return [
        "## Privacy", "",
        "Differential privacy by example (one labelled image added or removed; a patient of k images is protected k times less), "
        "DP-SGD at each site, delta = examples^-1.1. Against whom: anyone who sees every update of a site. Number of images and the "
        "public reference statistics are taken as known. Clipping without noise is no privacy.", "",
        *table(heads, rows),
        "Membership: 8 federations on random halves of the patients, each attacked with the other 7 as shadows; interval of the mean. "
        "A coin has 0.5.", "",
        "Gradient inversion of one plain step on one example, correlation with what was seen (interval: least and most):", "",
        *table(["attack", "correlation", "trials"], shown),
        "A search that finds little is no proof that nothing can be found; the linear head shows that everything can.", "",
    ]  # fmt: skip


def contribution(held: Held) -> list[str]:
    """Values, tricks, estimates."""
    honest = held["statements"]["honest"]
    rows = [
        [
            site,
            f"{one['value']:+.3f}",
            f"{one['missed']:+.3f}",
            "" if one["gained"] is None else f"{one['gained']:+.3f}",
            f"{held['shares']['honest'][site]:.1%}",
            f"{one['signals']['agreement']:.2f}",
            str(one["signals"]["images"]),
        ]
        for site, one in honest.items()
    ]
    tricks = [
        [
            name,
            *(f"{held['statements'][name][site]['value']:+.3f}" for site in honest),
            *(f"{held['shares'][name][site]:.1%}" for site in honest),
        ]
        for name in held["statements"]
    ]
    return [
        "## Contribution and benefit", "",
        "Nodule malignancy, four vendors; worth of a coalition is the AUC on all sites' validation patients of the model that it "
        "trained, every coalition trained anew with three seeds, so that Shapley values are exact for these trainings. Validation "
        "patients are few (99 nodules): differences of 0.01 mean nothing.", "",
        *table(["site", "Shapley value", "missed if absent", "gained at home", "share", "agreement of the others' model", "images"], rows),
        "Tricks (values, then shares):", "",
        *table(["", *(f"value {s}" for s in honest), *(f"share {s}" for s in honest)], tricks),
        "*Twice* doubles the site's validation nodules too, which moves all values a little; its training is the same. "
        "A site on two names sits on one seat: the share shown for it is one half, the other half goes to its second name.", "",
        "Mean error of the estimate from pairs of random orders, against the exact values: "
        + "; ".join(f"{pairs} pairs {one['mean_error']:.4f} (it tells {one['mean_told_error']:.4f})" for pairs, one in held["estimates"].items()) + ".", "",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
