"""The report's own words, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping

SECTIONS: Mapping[str, tuple[str, str]] = {
    "sites": ("Test patients, by site", "测试患者，按来源"),
    "test": ("Test patients", "测试患者"),
    "findings": ("Findings", "所见"),
    "external": ("External patients", "外部患者"),
    "baselines": ("Naive baselines", "朴素基线"),
    "subgroups": ("Subgroups", "亚组"),
    "calibration": ("Calibration", "校准"),
    "robustness": ("Robustness", "稳健性"),
    "gate": ("Gate: what is refused", "准入：拒绝情况"),
    "explanation": ("Faithfulness of the explanation", "解释的忠实性"),
    "uncertainty": ("Uncertainty", "不确定性"),
    "speed": ("Speed", "速度"),
    "seeds": ("Other seeds", "其他随机种子"),
    "validation": ("Validation patients (thresholds were chosen on these)", "验证患者（阈值据此选定）"),
}
"""Titles of the known members of an evaluation; others bear their own name."""

LAST = ("gate", "explanation", "robustness", "uncertainty", "speed", "seeds", "validation")
"""Sections that come after the others, in this order."""

MEASURES: Mapping[str, tuple[str, str]] = {
    "auc": ("Area under the ROC curve (AUC)", "ROC 曲线下面积（AUC）"),
    "auc_delong": ("Area under the ROC curve, DeLong's interval", "ROC 曲线下面积，DeLong 区间"),
    "sensitivity": ("Sensitivity", "灵敏度"),
    "specificity": ("Specificity", "特异度"),
    "positive_predictive_value": ("Positive predictive value", "阳性预测值"),
    "negative_predictive_value": ("Negative predictive value", "阴性预测值"),
    "precision": ("Precision", "精确率"),
    "recall": ("Recall", "召回率"),
    "f1": ("F1", "F1"),
    "macro_f1": ("Macro F1", "宏平均 F1"),
    "dice": ("Dice coefficient", "Dice 系数"),
    "hd95_mm": ("Hausdorff distance, 95th percentile (mm)", "95% Hausdorff 距离（mm）"),
    "share": ("Share abstained", "弃权比例"),
    "coverage": ("Coverage", "覆盖率"),
    "refused": ("Share refused", "拒绝比例"),
    "kappa": ("Cohen's kappa", "Cohen κ 系数"),
}
"""Headings of the known measures; others bear their own name."""

GRADES: Mapping[str, tuple[str, str]] = {
    "human_trial": (
        "Human trial: measured on people who read or were read in a study.",
        "人体试验：由真人参与的研究所得。",
    ),
    "retrospective": (
        "Retrospective: measured on stored real images of patients. It shows neither benefit to patients nor "
        "what doctors do with the answer.",
        "回顾性：基于存档的真实患者影像测得。既不说明患者获益，也不说明医生如何使用结果。",
    ),
    "simulated": (
        "Simulated: cases read by simulated readers. It says nothing about people.",
        "模拟：由模拟阅片者阅读。不说明真人的表现。",
    ),
    "synthetic": (
        "Synthetic: made-up data. It shows that the software computes, nothing about medicine.",
        "合成：人工数据。仅说明软件可计算，不具医学意义。",
    ),
}

WORDS: Mapping[str, tuple[str, str]] = {
    "report": ("Report of a reader", "判读模型报告"),
    "use": ("Intended use", "预期用途"),
    "not_for": ("Not for", "不适用于"),
    "limits": ("Limits", "局限"),
    "evidence": ("Grade of evidence", "证据等级"),
    "figure": ("figure", "指标"),
    "value": ("value (95 % interval)", "数值（95% 区间）"),
    "few": ("few cases", "例数少"),
    "findings": ("finding", "所见"),
    "threshold": ("threshold", "阈值"),
    "shown": ("explanation shown to doctors", "解释是否向医生显示"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    "other": ("Other measurements", "其他测量"),
    "failures": ("Failures, to be looked at", "失败病例"),
    "no_failures": (
        "No failure gallery was kept with this run: images of test patients are shown only where their "
        "licence and the place of the report allow it.",
        "本次运行未保存失败病例图：仅在许可与场所允许时显示测试患者的影像。",
    ),
    "failures_told": (
        "The worst errors on test patients, by how far the answer was from the truth; not chosen by hand.",
        "测试患者中误差最大者，按与真值的差距排列，未经人工挑选。",
    ),
    "data": ("Data card", "数据卡"),
    "no_data": (
        "No data card was given; the card's attribution names the sources.",
        "未提供数据卡；数据来源见署名。",
    ),
    "images": ("images", "影像数"),
    "patients": ("patients", "患者数"),
    "split": ("split", "划分"),
    "missing": ("Unknown (share of images)", "缺失（影像占比）"),
    "shortcuts": (
        "Possible shortcuts (Cramer's V among training images)",
        "可能的捷径（训练影像中的克莱姆 V）",
    ),
    "traps": ("Known traps", "已知陷阱"),
    "left_out": ("Left out", "剔除"),
    "training": ("Training", "训练过程"),
    "origin": ("Origin", "来源与复现"),
    "attribution": ("Attribution and licences", "署名与许可"),
    "hashes": ("Files of the bundle (SHA-256)", "文件校验（SHA-256）"),
    "research": (
        "For research. Not a cleared medical device. A physician decides and signs.",
        "仅供研究。未经医疗器械注册审批。由医师作出判断并签发。",
    ),
    "reading": (
        "How to read this: a point is the measured value on test patients who took no part in training or in "
        "the choice of any threshold; the line is its 95 % interval. Where intervals overlap widely, no "
        "difference was shown. Grey marks are naive baselines. Rows marked 'few cases' decide nothing.",
        "阅读方法：圆点为测试患者上的测得值，这些患者未参与训练或任何阈值的选择；横线为 95% 区间。"
        "区间大幅重叠时，未显示差异。灰色为朴素基线。标注“例数少”的行不能作为依据。",
    ),
    "calibration_plot": (
        "Calibration: how often it was true (up) when this probability was said (right).",
        "校准：给出某概率（横轴）时实际为真的频率（纵轴）。",
    ),
}
