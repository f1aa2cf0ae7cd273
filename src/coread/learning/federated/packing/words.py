# ruff: noqa: E501 - sentences are kept whole
"""The card of a federated reader, in English and Chinese; every figure in it stands in the evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coread.learning.federated.packing.combining import THRESHOLD
from coread.learning.federated.plan.plan import Plan

VERSION = "1.0.0"


def card_of(
    plan: Plan, described: Mapping[str, Any], report: Mapping[str, Any], maker: str
) -> dict[str, Any]:
    """Everything on the card but the hashes of the files.

    Parameters
    ----------
    plan
        Of the federation.
    described
        What the task says of reader, finding and limits.
    report
        The evaluation.
    maker
        Name of the federation, which answers for the reader.
    """
    words = {lang: f"{plan.title[lang]}" for lang in ("en", "zh")}
    return {
        "format": 1,
        "identity": {"name": plan.name, "version": VERSION, "manufacturer": maker},
        "title": words,
        "intended_use": {
            "en": f"{plan.purpose['en']}. A calibrated probability for a physician, who decides and signs.",
            "zh": f"{plan.purpose['zh']}。给出校准概率，由医师作出判断并签发。",
        },
        "limits": [*described["limits"], *_english(report)],
        "limits_zh": [*described["limits_zh"], *_chinese(report)],
        "modalities": described["modalities"],
        "finding": described["finding"],
        "threshold": THRESHOLD,
        "attribution": described["attribution"],
        "explanation_passed": False,
        "evidence_grade": report["evidence_grade"],
        "claims": claims(report),
    }


def claims(report: Mapping[str, Any]) -> dict[str, Any]:
    """Figures that the card repeats, by their place in the evaluation (JSON pointers)."""
    return {
        f"/sites/{site}/{name}/{part}": held[name][part]
        for site, held in sorted(report["sites"].items())
        for name in ("auc", "gain")
        if name in held
        for part in ("value", "lower", "upper")
    }


def _english(report: Mapping[str, Any]) -> list[str]:
    facts, said = report["federation"], []
    said.append(
        f"Trained by {len(facts['sites'])} sites together in {facts['rounds']} rounds "
        f"({facts['strategy']}; plan SHA-256 {facts['plan_sha256'][:16]}); secure aggregation "
        f"{'on' if facts['secure_aggregation'] else 'off'}; {_private_en(facts)}"
    )
    for site, held in sorted(report["sites"].items()):
        said.append(_site_en(site, held))
    said.append(
        "It was tested on patients of the sites that trained it; at a hospital that took no part it may do worse. "
        "The curve from score to probability is one for all sites, and abstains nowhere."
    )
    return [*said, "No heat map is shown: none was tested."]


def _site_en(site: str, held: Mapping[str, Any]) -> str:
    n = held["counts"]["cases"]
    if "auc" not in held:
        return f"At {site} ({n} test images) no area is given: too few of one kind, or none."
    auc, gain = held["auc"], held["gain"]
    words = (
        "better"
        if gain["lower"] > 0
        else "worse"
        if gain["upper"] < 0
        else "neither surely better nor surely worse"
    )
    return (
        f"At {site} ({n} test images): area {_spread(auc)}, {words} than the site's own model "
        f"(difference {_spread(gain)}); calibration error {held['calibration']['ece_10_equal_mass']:.3f}."
    )


def _private_en(facts: Mapping[str, Any]) -> str:
    spent = facts["epsilon_spent"]
    if not spent:
        return (
            "no differential privacy: the weights themselves give no proven protection of training patients."
        )
    told = ", ".join(f"{site} {value}" for site, value in sorted(spent.items()))
    return (
        f"differential privacy of training examples, delta {facts['delta']}, epsilon spent: {told}. "
        "Statistics of validation patients (curve, gate) are outside of it."
    )


def _chinese(report: Mapping[str, Any]) -> list[str]:
    facts, said = report["federation"], []
    spent = facts["epsilon_spent"]
    told = "、".join(f"{site} {value}" for site, value in sorted(spent.items()))
    private = f"训练样本的差分隐私，已用 epsilon：{told}；曲线与质控所用的验证患者统计量不在其内。"
    said.append(
        f"由 {len(facts['sites'])} 家医院共同训练 {facts['rounds']} 轮（{facts['strategy']}；计划 SHA-256 "
        f"{facts['plan_sha256'][:16]}）；安全聚合{'开启' if facts['secure_aggregation'] else '关闭'}；"
        + (private if spent else "无差分隐私：权重本身对训练患者没有可证明的保护。")
    )
    for site, held in sorted(report["sites"].items()):
        said.append(_site_zh(site, held))
    said.append(
        "仅在参与训练的医院的患者中测试；在未参与的医院表现可能更差。所有医院共用一条校准曲线，不弃权。"
    )
    return [*said, "不显示热图：未作检验。"]


def _site_zh(site: str, held: Mapping[str, Any]) -> str:
    n = held["counts"]["cases"]
    if "auc" not in held:
        return f"{site}（{n} 幅测试图像）：某一类过少或没有，不给出 AUC。"
    auc, gain = held["auc"], held["gain"]
    words = "优于" if gain["lower"] > 0 else "劣于" if gain["upper"] < 0 else "与其相当或无法区分"
    return (
        f"{site}（{n} 幅测试图像）：AUC {_spread(auc)}，{words}该院自有模型（差值 {_spread(gain)}）；"
        f"校准误差 {held['calibration']['ece_10_equal_mass']:.3f}。"
    )


def _spread(held: Mapping[str, Any]) -> str:
    return f"{held['value']:.3f} ({held['lower']:.3f} to {held['upper']:.3f})"
